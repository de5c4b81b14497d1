//! What Entra says of each reason: entra-docs reference-error-codes.md, and answers of the service that are
//! quoted in public, named beside the rows. Where the state of the service and its documentation differ, the
//! documentation is followed, with the same `error` and status.

use super::refusal::{Row, row};
use crate::error::Reason;
use crate::grant::Refusal;

/// azure-sdk-for-net TROUBLESHOOTING.md.
const WRONG_SECRET: Row = row(
    7_000_215,
    401,
    "invalid_client",
    "Invalid client secret provided. Ensure the secret being sent in the request is the client secret \
     value, not the client secret ID, for a secret added to app '{a}'.",
);
/// liprec/vsts-release-aas#119.
const EXPIRED_SECRET: Row = row(
    7_000_222,
    401,
    "invalid_client",
    "The provided client secret keys for app '{a}' are expired. Visit the Azure portal to create new keys \
     for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added \
     security: https://aka.ms/certCreds.",
);
/// The service has been seen to answer 7000216 to client credentials.
const NO_CREDENTIAL: Row = row(
    7_000_218,
    401,
    "invalid_client",
    "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
);
const ASSERTION: Row = row(
    700_027,
    401,
    "invalid_client",
    "Client assertion failed signature validation.",
);
/// kubernetes-sigs/secrets-store-csi-driver; hashicorp/terraform logs of 2026.
const UNKNOWN_APPLICATION: Row = row(
    700_016,
    400,
    "unauthorized_client",
    "Application with identifier '{a}' was not found in the directory '{d}'. This can happen if the \
     application has not been installed by the administrator of the tenant or consented to by any user in \
     the tenant. You may have sent your authentication request to the wrong tenant.",
);
/// Worklytics/psoxy#74; the status is not confirmed.
const DISABLED: Row = row(
    7_000_112,
    400,
    "unauthorized_client",
    "Application '{a}'({n}) is disabled.",
);
/// The service has been seen to answer 90014 to client credentials without a scope.
const MISSING: Row = row(
    900_144,
    400,
    "invalid_request",
    "The request body must contain the following parameter: '{s}'.",
);
/// The text in six reports, the error in microsoft/msticpy#923.
const NOT_DEFAULT: Row = row(
    1_002_012,
    400,
    "invalid_scope",
    "The provided value for scope {s} is not valid. Client credential flows must have a scope value with \
     /.default suffixed to the resource identifier (application ID URI).",
);
/// azure-sdk-for-net#9076, azure-docs#43749.
const SCOPE: Row = row(
    70_011,
    400,
    "invalid_scope",
    "The provided request must include a 'scope' input parameter. The provided value for the input \
     parameter 'scope' is not valid. The scope {s} is not valid.",
);
/// The text in microsoft-authentication-library-for-js#523. The service has been seen to answer 70011.
const SEVERAL: Row = row(
    700_022,
    400,
    "invalid_scope",
    "The provided value for the input parameter scope isn't valid because it contains more than one \
     resource. Scope {s} is not valid.",
);
/// laravel-azure-middleware#51.
const RESOURCE: Row = row(
    500_011,
    400,
    "invalid_resource",
    "The resource principal named {s} was not found in the tenant named {d}. This can happen if the \
     application has not been installed by the administrator of the tenant or consented to by any user in \
     the tenant. You might have sent your authentication request to the wrong tenant.",
);
/// An answer of 31 July 2023.
const UNASSIGNED: Row = row(
    501_051,
    400,
    "invalid_grant",
    "Application '{a}'({n}) is not assigned to a role for the application '{r}'({m}).",
);
/// azure-sdk-for-js recordings.
const TENANT: Row = row(
    90_002,
    400,
    "invalid_request",
    "Tenant '{t}' not found. Check to make sure you have the correct tenant ID and are signing into the \
     correct cloud. Check with your subscription administrator, this may happen if there are no active \
     subscriptions for the tenant.",
);
/// azure-docs#24064.
const NO_TENANT: Row = row(
    50_059,
    400,
    "invalid_request",
    "No tenant-identifying information found in either the request or implied by any provided credentials.",
);
/// The text only: the service shows a page.
const VERB: Row = row(
    900_561,
    405,
    "invalid_request",
    "The endpoint only accepts {v} requests. Received a {s} request.",
);
const GRANT_TYPE: Row = row(
    70_003,
    400,
    "unsupported_grant_type",
    "The access grant '{s}' is not supported.",
);
const RESOURCE_PARAMETER: Row = row(
    901_002,
    400,
    "invalid_request",
    "The 'resource' request parameter is not supported.",
);
const MALFORMED: Row = row(
    9_002_313,
    400,
    "invalid_request",
    "Invalid request. Request is malformed or invalid.",
);
/// The text is not confirmed.
const GRANT: Row = row(
    70_000,
    400,
    "invalid_grant",
    "The provided value for the input parameter 'refresh_token' or 'assertion' is not valid.",
);
/// The text is not confirmed.
const EXPIRED: Row = row(
    70_008,
    400,
    "invalid_grant",
    "The provided authorization code or refresh token has expired due to inactivity. Send a new \
     interactive authorization request for this user and resource.",
);
const REDEEMED: Row = row(
    54_005,
    400,
    "invalid_grant",
    "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing \
     refresh token.",
);
const VERIFIER: Row = row(
    501_481,
    400,
    "invalid_grant",
    "The Code_Verifier does not match the code_challenge supplied in the authorization request.",
);
const REVOKED: Row = row(
    50_173,
    400,
    "invalid_grant",
    "The provided grant has expired due to it being revoked, a fresh auth token is needed.",
);
/// MSAL goes by status and `Retry-After`; that the code belongs to it is not confirmed.
const TOO_MANY: Row = row(
    90_055,
    429,
    "temporarily_unavailable",
    "There are too many incoming requests.",
);
/// The text is not confirmed.
const TRANSIENT: Row = row(
    90_033,
    503,
    "temporarily_unavailable",
    "A transient error has occurred. Please try again.",
);
const FAULT: Row = row(
    50_000,
    500,
    "server_error",
    "There was an error issuing a token or an issue with our sign-in service.",
);

/// What is said of a reason.
pub(super) const fn row_of(reason: &Reason) -> &'static Row {
    match reason {
        Reason::WrongSecret | Reason::SecretMalformed => &WRONG_SECRET,
        Reason::SecretLapsed => &EXPIRED_SECRET,
        Reason::SecretMissing | Reason::PublicClient => &NO_CREDENTIAL,
        Reason::AssertionUnsupported => &ASSERTION,
        Reason::UnknownClient | Reason::ClientIdMalformed | Reason::UnknownApplication => {
            &UNKNOWN_APPLICATION
        }
        Reason::ClientDisabled => &DISABLED,
        Reason::NoCredentials | Reason::GrantTypeMissing | Reason::ParameterMissing(_) => &MISSING,
        Reason::NotDefault => &NOT_DEFAULT,
        Reason::ScopeCharacters
        | Reason::ScopeUnknown
        | Reason::DefaultNotAlone
        | Reason::ScopeOutsideResource
        | Reason::NothingAsked
        | Reason::RoleNotAssigned
        | Reason::ScopeWithdrawn => &SCOPE,
        Reason::SeveralApis => &SEVERAL,
        Reason::UnknownApi(_) => &RESOURCE,
        Reason::AssignmentRequired => &UNASSIGNED,
        Reason::UnknownTenant => &TENANT,
        Reason::NoTenantNamed => &NO_TENANT,
        Reason::Method(_) => &VERB,
        Reason::GrantTypeUnknown | Reason::GrantTypeNotAllowed(_) => &GRANT_TYPE,
        Reason::UnknownResource(_) | Reason::ResourceSyntax | Reason::SeveralResources => {
            &RESOURCE_PARAMETER
        }
        Reason::GrantTokenMalformed => &GRANT,
        Reason::Verifier => &VERIFIER,
        Reason::Grant(refusal, ..) => match refusal {
            Refusal::Unknown
            | Refusal::Forged
            | Refusal::Foreign
            | Refusal::Ahead
            | Refusal::RedirectUri
            | Refusal::Realm => &GRANT,
            Refusal::Expired => &EXPIRED,
            Refusal::Revoked | Refusal::Replayed => &REVOKED,
            Refusal::CodeReplayed => &REDEEMED,
            Refusal::Verifier => &VERIFIER,
            Refusal::Api | Refusal::Scope => &SCOPE,
            Refusal::Corrupt => &FAULT,
        },
        Reason::TooManyFailures(_) => &TOO_MANY,
        Reason::Storage(_) | Reason::ClaimsHook(_) => &TRANSIENT,
        Reason::CorruptRecord { .. }
        | Reason::NoSigningKey(_)
        | Reason::StoreNotAtomic
        | Reason::UnknownMasterKey
        | Reason::BrokenSeal
        | Reason::Signing(_)
        | Reason::Entropy
        | Reason::NoLoginPage
        | Reason::Internal(_) => &FAULT,
        Reason::ContentType
        | Reason::BodyTooLarge
        | Reason::BodyUnreadable
        | Reason::FormSyntax
        | Reason::RepeatedParameter(_)
        | Reason::ParameterInUrl(_)
        | Reason::SeveralAuthenticationMethods
        | Reason::ClientIdMismatch
        | Reason::AuthorizationScheme
        | Reason::AuthorizationSyntax
        // These never come of a request to one of the dialect's own answers.
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
        | Reason::NotJson => &MALFORMED,
    }
}
