//! What an access token and the answer that carries it say, a table a dialect. What has no value is left
//! out.

/// A claim by where its value comes from. `iat`, `nbf` and `exp` are in every token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Issuer,
    Subject,
    /// The API.
    Audience,
    Client,
    /// 128 random bits, which the event of the token names.
    Unique,
    /// App roles, as a list.
    Roles,
    /// What is granted, each with its API.
    Scope,
    /// What is granted, by its names: of users only.
    UserNames,
    /// The same of applications, too.
    Names,
    Tenant,
    Session,
    ObjectId,
    /// How the client has proved who it is.
    Proof,
    Policy,
    /// That it is an application's, if the API asks for it.
    IdType,
    /// Nothing that anybody may read anything into.
    Opaque,
    OtherOpaque,
    Always(&'static str),
}

/// What tokens of a kind look like.
#[derive(Debug)]
pub(crate) struct Shape {
    /// The `typ` of the header.
    pub(crate) typ: &'static str,
    /// Whether the header repeats the key's id as `x5t`.
    pub(crate) has_x5t: bool,
    pub(crate) claims: &'static [(&'static str, Field)],
}

/// RFC 9068 section 2.2, `azp` of OpenID Connect Core section 2, and the tenant's `tid` and the app `roles`
/// as Entra names them.
pub(crate) const STANDARD: Shape = Shape {
    typ: "at+jwt",
    has_x5t: false,
    claims: &[
        ("iss", Field::Issuer),
        ("sub", Field::Subject),
        ("aud", Field::Audience),
        ("client_id", Field::Client),
        ("azp", Field::Client),
        ("jti", Field::Unique),
        ("roles", Field::Roles),
        ("scope", Field::Scope),
        ("tid", Field::Tenant),
        ("sid", Field::Session),
    ],
};

/// entra-docs access-token-claims-reference.md, and the sample of access-tokens.md. `x5t`: "functions the
/// same (in use and value) as the kid claim", in v1.0 only.
pub(crate) const V1: Shape = Shape {
    typ: "JWT",
    has_x5t: true,
    claims: &[
        ("aud", Field::Audience),
        ("iss", Field::Issuer),
        ("aio", Field::Opaque),
        ("appid", Field::Client),
        ("appidacr", Field::Proof),
        ("idp", Field::Issuer),
        ("idtyp", Field::IdType),
        ("oid", Field::ObjectId),
        ("rh", Field::OtherOpaque),
        ("roles", Field::Roles),
        ("scp", Field::UserNames),
        ("sub", Field::Subject),
        ("tid", Field::Tenant),
        ("uti", Field::Unique),
        ("ver", Field::Always("1.0")),
    ],
};

/// The same sources.
pub(crate) const V2: Shape = Shape {
    typ: "JWT",
    has_x5t: false,
    claims: &[
        ("aud", Field::Audience),
        ("iss", Field::Issuer),
        ("aio", Field::Opaque),
        ("azp", Field::Client),
        ("azpacr", Field::Proof),
        ("idtyp", Field::IdType),
        ("oid", Field::ObjectId),
        ("rh", Field::OtherOpaque),
        ("roles", Field::Roles),
        ("scp", Field::UserNames),
        ("sub", Field::Subject),
        ("tid", Field::Tenant),
        ("uti", Field::Unique),
        ("ver", Field::Always("2.0")),
    ],
};

/// azure-docs active-directory-b2c/tokens-overview.md. `roles` is not B2C's: there they are in `scp` only.
pub(crate) const B2C: Shape = Shape {
    typ: "JWT",
    has_x5t: false,
    claims: &[
        ("aud", Field::Audience),
        ("iss", Field::Issuer),
        ("azp", Field::Client),
        ("oid", Field::ObjectId),
        ("roles", Field::Roles),
        ("scp", Field::Names),
        ("sub", Field::Subject),
        ("tfp", Field::Policy),
        ("tid", Field::Tenant),
        ("ver", Field::Always("1.0")),
    ],
};

/// What a token of one of the dialects says beyond what no login page may say of a user anyway: what one
/// calls so is left out of them.
pub(crate) const TAKEN: [&str; 11] = [
    "aio", "appid", "appidacr", "azpacr", "idp", "idtyp", "oid", "rh", "tfp", "uti", "ver",
];

/// A member of an answer by where its value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Member {
    AccessToken,
    Type,
    ExpiresIn,
    NotBefore,
    ExpiresOn,
    /// The API's client id.
    Resource,
    /// Of users only.
    Scope,
    Refresh,
    RefreshIn,
}

/// entra-docs v2-oauth2-client-creds-grant-flow.md, v2-oauth2-auth-code-flow.md; `ext_expires_in` and
/// `refresh_token_expires_in`: msal-common ServerAuthorizationTokenResponse.ts.
pub(crate) const ANSWER_ENTRA: &[(&str, Member)] = &[
    ("token_type", Member::Type),
    ("scope", Member::Scope),
    ("expires_in", Member::ExpiresIn),
    ("ext_expires_in", Member::ExpiresIn),
    ("access_token", Member::AccessToken),
    ("refresh_token", Member::Refresh),
    ("refresh_token_expires_in", Member::RefreshIn),
];

/// azure-docs active-directory-b2c/client-credentials-grant-flow.md, authorization-code-flow.md,
/// add-ropc-policy.md.
pub(crate) const ANSWER_B2C: &[(&str, Member)] = &[
    ("access_token", Member::AccessToken),
    ("token_type", Member::Type),
    ("not_before", Member::NotBefore),
    ("expires_in", Member::ExpiresIn),
    ("expires_on", Member::ExpiresOn),
    ("resource", Member::Resource),
    ("scope", Member::Scope),
    ("refresh_token", Member::Refresh),
    ("refresh_token_expires_in", Member::RefreshIn),
];
