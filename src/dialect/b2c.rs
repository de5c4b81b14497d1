//! What Azure AD B2C says of each reason: azure-docs active-directory-b2c/error-codes.md for the texts. The
//! `error` beside a text is seldom documented: those that are not confirmed by a quoted answer are marked (u).

use super::refusal::{Row, row};
use crate::error::Reason;
use crate::grant::Refusal;

/// (u): `invalid_request` has been seen, too.
const WRONG_SECRET: Row = row(
    90_081,
    400,
    "invalid_client",
    "The specified client_secret does not match the expected value for this client. Please correct the \
     client_secret and try again.",
);
/// (u)
const NO_SECRET: Row = row(
    90_079,
    400,
    "invalid_request",
    "Clients must send a client_secret when redeeming a confidential grant.",
);
/// An answer quoted in public.
const UNKNOWN_APPLICATION: Row = row(
    90_018,
    400,
    "invalid_client",
    "The client ID '{a}' specified in the request is not registered in tenant '{t}'.",
);
/// (u)
const DISABLED: Row = row(
    90_092,
    400,
    "invalid_request",
    "The provided application with ID '{a}' is disabled for the tenant '{t}'. Please enable the \
     application and try again.",
);
const NO_CLIENT: Row = row(
    90_008,
    400,
    "invalid_request",
    "The request does not contain a client ID parameter.",
);
const NO_SCOPE: Row = row(
    90_010,
    400,
    "invalid_request",
    "The request does not contain a scope parameter.",
);
const MISSING: Row = row(
    90_083,
    400,
    "invalid_request",
    "The request is missing required parameter: {s}.",
);
/// AzureAD/microsoft-identity-web.
const GRANT_TYPE: Row = row(
    90_086,
    400,
    "unsupported_grant_type",
    "The supplied grant_type [{s}] is not supported.",
);
/// (u)
const NO_RESOURCE: Row = row(
    90_055,
    400,
    "invalid_request",
    "The scope '{s}' provided in request must specify a resource, such as \
     'https://example.com/calendar.read'.",
);
/// (u)
const SCOPE: Row = row(
    90_117,
    400,
    "invalid_request",
    "The scope '{s}' provided in the request is not supported.",
);
/// An answer quoted in public.
const SEVERAL: Row = row(
    90_146,
    400,
    "invalid_request",
    "The scope '{s}' provided in request specifies more than one resource for an access token, which is \
     not supported.",
);
/// (u)
const UNASSIGNED: Row = row(
    90_205,
    400,
    "unauthorized_client",
    "This application does not have sufficient permissions against this web resource to perform the \
     operation.",
);
/// azure-docs#9885, without the times.
const EXPIRED: Row = row(
    90_080,
    400,
    "invalid_grant",
    "The provided grant has expired. Please re-authenticate and try again.",
);
/// An answer quoted in public, without the values.
const OTHER_ENDPOINT: Row = row(
    90_088,
    400,
    "invalid_grant",
    "The provided grant has not been issued for this endpoint.",
);
const REVOKED: Row = row(
    90_129,
    400,
    "invalid_grant",
    "The provided grant has been revoked. Please reauthenticate and try again.",
);
const MISMATCH: Row = row(
    90_182,
    400,
    "invalid_grant",
    "The supplied code_verifier does not match associated code_challenge",
);
const VERIFIER: Row = row(
    90_183,
    400,
    "invalid_grant",
    "The supplied code_verifier is invalid",
);
/// The catch-all.
const FAULT: Row = row(
    90_085,
    400,
    "invalid_grant",
    "The service has encountered an internal error. Please reauthenticate and try again.",
);
const UNAVAILABLE: Row = row(
    90_035,
    503,
    "temporarily_unavailable",
    "The service is temporarily unavailable. Please retry after a few minutes.",
);
/// B2C answers with a page.
const NO_POLICY: Row = row(
    90_022,
    404,
    "invalid_request",
    "Unable to return metadata for the policy '{p}' in tenant '{t}'.",
);

/// What is said of a reason.
pub(super) const fn row_of(reason: &Reason, is_metadata: bool) -> &'static Row {
    match reason {
        Reason::WrongSecret
        | Reason::SecretMalformed
        | Reason::SecretLapsed
        | Reason::AssertionUnsupported => &WRONG_SECRET,
        Reason::SecretMissing | Reason::PublicClient => &NO_SECRET,
        Reason::UnknownClient | Reason::ClientIdMalformed | Reason::UnknownApplication => {
            &UNKNOWN_APPLICATION
        }
        Reason::ClientDisabled => &DISABLED,
        Reason::NoCredentials => &NO_CLIENT,
        Reason::ParameterMissing(name) if is_scope(name) => &NO_SCOPE,
        Reason::GrantTypeMissing | Reason::ParameterMissing(_) => &MISSING,
        Reason::GrantTypeUnknown | Reason::GrantTypeNotAllowed(_) => &GRANT_TYPE,
        Reason::ScopeUnknown => &NO_RESOURCE,
        Reason::NotDefault
        | Reason::ScopeCharacters
        | Reason::DefaultNotAlone
        | Reason::ScopeOutsideResource
        | Reason::NothingAsked
        | Reason::RoleNotAssigned
        | Reason::UnknownApi(_)
        | Reason::ScopeWithdrawn => &SCOPE,
        Reason::SeveralApis => &SEVERAL,
        Reason::AssignmentRequired => &UNASSIGNED,
        Reason::UnknownTenant | Reason::NoTenantNamed if is_metadata => &NO_POLICY,
        Reason::GrantTokenMalformed => &FAULT,
        Reason::Verifier => &VERIFIER,
        Reason::Grant(refusal, ..) => match refusal {
            Refusal::Realm => &OTHER_ENDPOINT,
            Refusal::Expired => &EXPIRED,
            Refusal::Revoked | Refusal::Replayed | Refusal::CodeReplayed => &REVOKED,
            Refusal::Verifier => &MISMATCH,
            Refusal::Api | Refusal::Scope => &SCOPE,
            Refusal::Unknown
            | Refusal::Forged
            | Refusal::Foreign
            | Refusal::Ahead
            | Refusal::RedirectUri
            | Refusal::Corrupt => &FAULT,
        },
        Reason::TooManyFailures(_) | Reason::Storage(_) | Reason::ClaimsHook(_) => &UNAVAILABLE,
        Reason::UnknownTenant
        | Reason::NoTenantNamed
        | Reason::CorruptRecord { .. }
        | Reason::NoSigningKey(_)
        | Reason::StoreNotAtomic
        | Reason::UnknownMasterKey
        | Reason::BrokenSeal
        | Reason::Signing(_)
        | Reason::Entropy
        | Reason::NoLoginPage
        | Reason::Internal(_)
        | Reason::Method(_)
        | Reason::UnknownResource(_)
        | Reason::ResourceSyntax
        | Reason::SeveralResources
        | Reason::ContentType
        | Reason::BodyTooLarge
        | Reason::BodyUnreadable
        | Reason::FormSyntax
        | Reason::RepeatedParameter(_)
        | Reason::ParameterInUrl(_)
        | Reason::SeveralAuthenticationMethods
        | Reason::ClientIdMismatch
        | Reason::AuthorizationScheme
        | Reason::AuthorizationSyntax
        | Reason::UnknownPath
        | Reason::NoGrants
        | Reason::TokenTypeUnsupported
        | Reason::QueryTooLong
        | Reason::RedirectUnregistered
        | Reason::ResponseType
        | Reason::ResponseMode
        | Reason::Challenge
        | Reason::NoToken
        | Reason::InvalidToken(_)
        | Reason::RoleMissing
        | Reason::NotJson => &FAULT,
    }
}

/// `==` on texts is not for constants yet.
const fn is_scope(name: &str) -> bool {
    matches!(name.as_bytes(), b"scope")
}
