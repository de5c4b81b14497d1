//! What went wrong, and what the caller may know of it.
//!
//! A [`Reason`] says what really happened, for the operator: it goes to the event and the log. What
//! goes on the wire follows from it in one exhaustive table, [`Reason::wire`]; no wire code is chosen
//! where a failure occurs.

use std::borrow::Cow;

use crate::client::GrantType;
use crate::entropy::EntropyError;
use crate::grant::{Place, Refusal};
use crate::json::JsonError;
use crate::key::{SealError, SignerError};
use crate::store::{KeyError, StoreError};

/// Why a request was not answered with what it asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    // The request as such
    /// The path is no endpoint, or the tenant's name is not well-formed.
    UnknownPath,
    /// There is no tenant of that name, or it does not have what the URL names of it.
    UnknownTenant,
    /// A URL of Microsoft's that stands for the tenant of whoever signs in.
    NoTenantNamed,
    /// The endpoint does not take this method; the ones that it takes.
    Method(Cow<'static, str>),
    /// The body is not declared as a UTF-8 form.
    ContentType,
    /// The body is larger than 16 KiB.
    BodyTooLarge,
    /// The body broke off before its end.
    BodyUnreadable,
    /// Broken percent-encoding, a NUL, or bytes that are not UTF-8.
    FormSyntax,
    /// A parameter is there more than once.
    RepeatedParameter(String),
    /// A parameter of the token request is in the URL.
    ParameterInUrl(String),
    // Who asks
    /// Two client authentication methods at once.
    SeveralAuthenticationMethods,
    /// The `client_id` parameter names another client than the Authorization header.
    ClientIdMismatch,
    /// No client authentication at all.
    NoCredentials,
    /// A client id without a secret.
    SecretMissing,
    /// An Authorization scheme other than Basic.
    AuthorizationScheme,
    /// Basic credentials that cannot be decoded.
    AuthorizationSyntax,
    /// Too long to be a client id, or holds a control character.
    ClientIdMalformed,
    /// Too long to be a secret, or its checksum is wrong.
    SecretMalformed,
    /// Client assertions are not supported yet.
    AssertionUnsupported,
    /// There is no application of that id.
    UnknownClient,
    /// No secret of the application is the one presented.
    WrongSecret,
    /// The secret was right before, or will be later.
    SecretLapsed,
    /// The application is disabled.
    ClientDisabled,
    /// The client authentication failed too often; seconds until it is looked at again.
    TooManyFailures(u64),
    // What is asked for
    /// `grant_type` is missing.
    GrantTypeMissing,
    /// A grant type that nobody registered.
    GrantTypeUnknown,
    /// A grant type that this application may not use.
    GrantTypeNotAllowed(GrantType),
    /// Client credentials asked for by a public client.
    PublicClient,
    /// A character that no scope may hold.
    ScopeCharacters,
    /// A scope that is not of the form `<API URI>/<role>`.
    ScopeUnknown,
    /// Something else than `.default`, where nothing else may be asked for.
    NotDefault,
    /// `.default` mixed with single roles.
    DefaultNotAlone,
    /// Scopes of more than one API.
    SeveralApis,
    /// A scope of another API than `resource` names.
    ScopeOutsideResource,
    /// Neither scope nor resource, and the application has roles on no API or on several.
    NothingAsked,
    /// No API of that identifier is registered; asked for by scope.
    UnknownApi(String),
    /// A role that the application was not granted.
    RoleNotAssigned,
    /// The API requires an assignment and the application has none.
    AssignmentRequired,
    /// `resource` is not an absolute URI without fragment.
    ResourceSyntax,
    /// `resource` names two APIs.
    SeveralResources,
    /// No API of that identifier is registered; asked for by `resource`.
    UnknownResource(String),
    /// A parameter that the request cannot do without.
    ParameterMissing(&'static str),
    // Codes and refresh tokens
    /// The text is no token of this service.
    GrantTokenMalformed,
    /// The grant did not take the step; which grant, and whether its API was named by `resource`.
    Grant(Refusal, String, bool),
    /// The API has taken back every scope that was granted on it.
    ScopeWithdrawn,
    /// The code verifier is none: RFC 7636 section 4.1.
    Verifier,
    /// This service has no store for grants.
    NoGrants,
    /// Revocation of a token that cannot be revoked: RFC 7009 section 2.2.1.
    TokenTypeUnsupported,
    // Authorization requests
    /// The query is longer than 4 KiB.
    QueryTooLong,
    /// No application of that id may ask for authorization here.
    UnknownApplication,
    /// The redirection URI is not one that is registered.
    RedirectUnregistered,
    /// A response type other than `code`.
    ResponseType,
    /// A response mode other than `query`.
    ResponseMode,
    /// The code challenge is none of method S256.
    Challenge,
    /// The tenant has no login page.
    NoLoginPage,
    // Bearers of access tokens
    /// No access token.
    NoToken,
    /// An access token that is not good here, and why.
    InvalidToken(&'static str),
    /// The access token lacks the app role.
    RoleMissing,
    /// The body is not declared as JSON.
    NotJson,
    // What failed here
    /// The store did not answer.
    Storage(String),
    /// The host's hook for further claims failed, or said what no access token may say.
    ClaimsHook(String),
    /// A stored record could not be understood.
    CorruptRecord {
        /// The key it is stored under.
        key: String,
        /// What is wrong with it.
        why: String,
    },
    /// The tenant's ring has no key that signs with the algorithm now.
    NoSigningKey(&'static str),
    /// The tenant's secret or a private key is sealed under a master key that this service does not have.
    /// Every client of the tenant hears the same, known or not.
    UnknownMasterKey,
    /// The tenant's secret or a private key was altered, or the master key is not the one it was sealed under.
    BrokenSeal,
    /// The signer failed.
    Signing(String),
    /// The entropy source failed.
    Entropy,
    /// The store of the directory does not promise to be atomic, which this takes.
    StoreNotAtomic,
    /// A value could not be serialised.
    Internal(String),
}

/// What the caller is told, in the standard dialect: RFC 6749 section 5.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wire {
    /// The HTTP status.
    pub status: u16,
    /// The `error` member.
    pub error: &'static str,
    /// The `error_description` member: never more than the caller may know.
    pub description: &'static str,
}

const fn wire(status: u16, error: &'static str, description: &'static str) -> Wire {
    Wire {
        status,
        error,
        description,
    }
}

/// One answer for everything that could tell a stranger whether a client exists or how near a guess
/// came: requirement 8.
const INVALID_CLIENT: Wire = wire(401, "invalid_client", "client authentication failed");
/// One answer for every code and refresh token that is not honoured: requirement 19.
const INVALID_GRANT: Wire = wire(
    400,
    "invalid_grant",
    "the code or the refresh token is not valid",
);
/// One answer for everything that is broken on this side and that a retry does not mend.
const SERVER_ERROR: Wire = wire(
    500,
    "server_error",
    "the server could not answer the request",
);

impl Reason {
    /// A step that the grant at this place refused.
    pub(crate) fn refused(refusal: Refusal, place: &Place, by_resource: bool) -> Self {
        let place = place.key().map(|key| key.to_string());
        Self::Grant(refusal, place.unwrap_or_default(), by_resource)
    }

    /// What goes on the wire.
    #[must_use]
    pub const fn wire(&self) -> Wire {
        match self {
            Self::UnknownPath => wire(404, "invalid_request", "there is no such endpoint"),
            Self::UnknownTenant => wire(404, "invalid_request", "there is no such tenant"),
            Self::NoTenantNamed => wire(400, "invalid_request", "the URL names no tenant"),
            Self::Method(_) => wire(405, "invalid_request", "the method is not allowed here"),
            Self::ContentType => wire(
                400,
                "invalid_request",
                "the body must be application/x-www-form-urlencoded in UTF-8",
            ),
            Self::BodyTooLarge => wire(413, "invalid_request", "the body is larger than 16 KiB"),
            Self::BodyUnreadable => wire(400, "invalid_request", "the body could not be read"),
            Self::FormSyntax => wire(
                400,
                "invalid_request",
                "the body or the query is not a well-formed form",
            ),
            Self::RepeatedParameter(_) => wire(
                400,
                "invalid_request",
                "a parameter is included more than once",
            ),
            Self::ParameterInUrl(_) => wire(
                400,
                "invalid_request",
                "parameters belong into the body, not into the URL",
            ),
            Self::GrantTypeMissing => wire(400, "invalid_request", "grant_type is missing"),
            Self::SeveralAuthenticationMethods => wire(
                400,
                "invalid_request",
                "more than one client authentication method was used",
            ),
            Self::ClientIdMismatch => wire(
                400,
                "invalid_request",
                "client_id differs from the one in the Authorization header",
            ),
            Self::NoCredentials
            | Self::SecretMissing
            | Self::AuthorizationScheme
            | Self::AuthorizationSyntax
            | Self::ClientIdMalformed
            | Self::SecretMalformed
            | Self::AssertionUnsupported
            | Self::UnknownClient
            | Self::WrongSecret
            | Self::SecretLapsed
            | Self::ClientDisabled => INVALID_CLIENT,
            // RFC 6585 section 4 has the status; of the registered errors, RFC 6749 section 4.1.2.1 has
            // the one that says "later". (`slow_down` of RFC 8628 tells a device to go on polling.)
            Self::TooManyFailures(_) => wire(
                429,
                "temporarily_unavailable",
                "client authentication failed too often; try again later",
            ),
            Self::GrantTypeUnknown => wire(
                400,
                "unsupported_grant_type",
                "the grant type is not supported",
            ),
            Self::GrantTypeNotAllowed(_) | Self::PublicClient => wire(
                400,
                "unauthorized_client",
                "the client may not use this grant type",
            ),
            Self::ScopeCharacters => wire(
                400,
                "invalid_scope",
                "the scope holds a character that no scope may hold",
            ),
            Self::ScopeUnknown | Self::UnknownApi(_) => wire(
                400,
                "invalid_scope",
                "the scope names no registered API and role",
            ),
            Self::NotDefault => wire(400, "invalid_scope", "the scope must be /.default"),
            Self::DefaultNotAlone => wire(
                400,
                "invalid_scope",
                "/.default cannot be combined with single roles",
            ),
            Self::SeveralApis => wire(400, "invalid_scope", "the scope names more than one API"),
            Self::ScopeOutsideResource => wire(
                400,
                "invalid_scope",
                "the scope names another API than the resource",
            ),
            Self::NothingAsked => wire(
                400,
                "invalid_scope",
                "name the API by scope=<API URI>/.default or by resource",
            ),
            Self::RoleNotAssigned => {
                wire(400, "invalid_scope", "the client was not granted the scope")
            }
            Self::AssignmentRequired => wire(
                400,
                "invalid_scope",
                "the client was granted no role on the API",
            ),
            Self::ResourceSyntax => wire(
                400,
                "invalid_target",
                "the resource is not an absolute URI without fragment",
            ),
            Self::SeveralResources => {
                wire(400, "invalid_target", "a token is for one resource only")
            }
            Self::UnknownResource(_) => wire(
                400,
                "invalid_target",
                "the resource is not a registered API",
            ),
            Self::ParameterMissing(_) => {
                wire(400, "invalid_request", "a required parameter is missing")
            }
            Self::GrantTokenMalformed | Self::Verifier => INVALID_GRANT,
            Self::Grant(refusal, _, by_resource) => match refusal {
                Refusal::Api if *by_resource => {
                    wire(400, "invalid_target", "the grant is not for this resource")
                }
                Refusal::Api | Refusal::Scope => {
                    wire(400, "invalid_scope", "the scope is more than was granted")
                }
                Refusal::Corrupt => SERVER_ERROR,
                _ => INVALID_GRANT,
            },
            Self::ScopeWithdrawn => wire(
                400,
                "invalid_scope",
                "the scope that was granted exists no more",
            ),
            Self::NoGrants => wire(404, "invalid_request", "there is no such endpoint"),
            Self::TokenTypeUnsupported => wire(
                400,
                "unsupported_token_type",
                "an access token that comes from no grant cannot be revoked",
            ),
            Self::QueryTooLong => wire(414, "invalid_request", "the query is larger than 4 KiB"),
            Self::UnknownApplication => {
                wire(400, "invalid_request", "the application is not known here")
            }
            Self::RedirectUnregistered => wire(
                400,
                "invalid_request",
                "the redirect_uri is not registered for the application",
            ),
            Self::ResponseType => wire(
                400,
                "unsupported_response_type",
                "the response_type must be code",
            ),
            Self::ResponseMode => wire(400, "invalid_request", "the response_mode must be query"),
            Self::Challenge => wire(
                400,
                "invalid_request",
                "the code_challenge must be one of method S256",
            ),
            Self::NoLoginPage => wire(500, "server_error", "there is no login page"),
            Self::NoToken => wire(401, "invalid_token", "an access token is required"),
            Self::InvalidToken(_) => wire(401, "invalid_token", "the access token is not valid"),
            Self::RoleMissing => wire(
                403,
                "insufficient_scope",
                "the access token lacks the app role",
            ),
            Self::NotJson => wire(415, "invalid_request", "the body must be JSON in UTF-8"),
            Self::Storage(_) | Self::ClaimsHook(_) => wire(
                503,
                "temporarily_unavailable",
                "the service is unavailable for a moment",
            ),
            Self::CorruptRecord { .. }
            | Self::NoSigningKey(_)
            | Self::UnknownMasterKey
            | Self::BrokenSeal
            | Self::Signing(_)
            | Self::Entropy
            | Self::StoreNotAtomic
            | Self::Internal(_) => SERVER_ERROR,
        }
    }

    /// Whether this side is at fault, whatever the caller is told.
    #[must_use]
    pub const fn is_fault(&self) -> bool {
        self.wire().status >= 500 || matches!(self, Self::Grant(Refusal::Ahead, ..))
    }

    /// A stable name for events and logs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownPath => "unknown_path",
            Self::UnknownTenant => "unknown_tenant",
            Self::NoTenantNamed => "no_tenant_named",
            Self::Method(_) => "method_not_allowed",
            Self::ContentType => "content_type",
            Self::BodyTooLarge => "body_too_large",
            Self::BodyUnreadable => "body_unreadable",
            Self::FormSyntax => "form_syntax",
            Self::RepeatedParameter(_) => "repeated_parameter",
            Self::ParameterInUrl(_) => "parameter_in_url",
            Self::GrantTypeMissing => "grant_type_missing",
            Self::SeveralAuthenticationMethods => "several_authentication_methods",
            Self::ClientIdMismatch => "client_id_mismatch",
            Self::NoCredentials => "no_credentials",
            Self::SecretMissing => "secret_missing",
            Self::AuthorizationScheme => "authorization_scheme",
            Self::AuthorizationSyntax => "authorization_syntax",
            Self::ClientIdMalformed => "client_id_malformed",
            Self::SecretMalformed => "secret_malformed",
            Self::AssertionUnsupported => "assertion_unsupported",
            Self::UnknownClient => "unknown_client",
            Self::WrongSecret => "wrong_secret",
            Self::SecretLapsed => "secret_lapsed",
            Self::ClientDisabled => "client_disabled",
            Self::GrantTypeUnknown => "grant_type_unknown",
            Self::GrantTypeNotAllowed(_) => "grant_type_not_allowed",
            Self::PublicClient => "public_client",
            Self::ScopeCharacters => "scope_characters",
            Self::ScopeUnknown => "scope_unknown",
            Self::NotDefault => "not_default",
            Self::DefaultNotAlone => "default_not_alone",
            Self::SeveralApis => "several_apis",
            Self::ScopeOutsideResource => "scope_outside_resource",
            Self::NothingAsked => "nothing_asked",
            Self::UnknownApi(_) => "unknown_api",
            Self::RoleNotAssigned => "role_not_assigned",
            Self::AssignmentRequired => "assignment_required",
            Self::ResourceSyntax => "resource_syntax",
            Self::SeveralResources => "several_resources",
            Self::UnknownResource(_) => "unknown_resource",
            Self::ParameterMissing(_) => "parameter_missing",
            Self::GrantTokenMalformed => "grant_token_malformed",
            Self::Grant(refusal, ..) => refusal.name(),
            Self::ScopeWithdrawn => "scope_withdrawn",
            Self::Verifier => "verifier_malformed",
            Self::NoGrants => "no_grants",
            Self::TokenTypeUnsupported => "token_type_unsupported",
            Self::QueryTooLong => "query_too_long",
            Self::UnknownApplication => "unknown_application",
            Self::RedirectUnregistered => "redirect_unregistered",
            Self::ResponseType => "response_type",
            Self::ResponseMode => "response_mode",
            Self::Challenge => "challenge",
            Self::NoLoginPage => "no_login_page",
            Self::NoToken => "no_token",
            Self::InvalidToken(_) => "invalid_token",
            Self::RoleMissing => "role_missing",
            Self::NotJson => "not_json",
            Self::Storage(_) => "storage",
            Self::ClaimsHook(_) => "claims_hook",
            Self::CorruptRecord { .. } => "corrupt_record",
            Self::NoSigningKey(_) => "no_signing_key",
            Self::UnknownMasterKey => "unknown_master_key",
            Self::TooManyFailures(_) => "too_many_failures",
            Self::BrokenSeal => "broken_seal",
            Self::Signing(_) => "signing",
            Self::StoreNotAtomic => "store_not_atomic",
            Self::Entropy => "entropy",
            Self::Internal(_) => "internal",
        }
    }

    /// What the operator needs beyond the code. It may quote the request, never a credential.
    #[must_use]
    pub fn detail(&self) -> Option<String> {
        match self {
            Self::RepeatedParameter(name) | Self::ParameterInUrl(name) => Some(name.clone()),
            Self::UnknownApi(uri) | Self::UnknownResource(uri) => Some(uri.clone()),
            Self::Storage(why)
            | Self::ClaimsHook(why)
            | Self::Signing(why)
            | Self::Internal(why) => Some(why.clone()),
            Self::ParameterMissing(what) | Self::InvalidToken(what) => Some((*what).to_owned()),
            Self::Grant(_, place, _) => Some(place.clone()),
            Self::CorruptRecord { key, why } => Some(format!("{key}: {why}")),
            Self::NoSigningKey(algorithm) => Some((*algorithm).to_owned()),
            Self::GrantTypeNotAllowed(grant_type) => Some(grant_type.name().to_owned()),
            _ => None,
        }
    }
}

impl From<StoreError> for Reason {
    fn from(StoreError::Unavailable(why): StoreError) -> Self {
        Self::Storage(why)
    }
}

impl From<JsonError> for Reason {
    fn from(error: JsonError) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<KeyError> for Reason {
    fn from(error: KeyError) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<SignerError> for Reason {
    fn from(error: SignerError) -> Self {
        Self::Signing(error.to_string())
    }
}

impl From<EntropyError> for Reason {
    fn from(EntropyError: EntropyError) -> Self {
        Self::Entropy
    }
}

impl From<SealError> for Reason {
    fn from(error: SealError) -> Self {
        match error {
            SealError::Entropy => Self::Entropy,
            SealError::UnknownMaster => Self::UnknownMasterKey,
            SealError::Cipher => Self::BrokenSeal,
        }
    }
}
