//! What may be done to a grant, and what comes of it: plain data, so that the step can be taken where
//! the grant is stored.

use serde::{Serialize, Serializer};

use super::token::{Proof, ProofKey};
use crate::api::{ApiUri, RoleName};
use crate::client::{ClientId, RefreshPolicy};
use crate::json::{JsonError, Member, Members, Object, Value, named, record};
use crate::time::UnixTime;

/// One act on a grant.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Command {
    /// The authorization code is exchanged: RFC 6749 section 4.1.3.
    Redeem {
        /// The code, and who presents it.
        presented: Presented,
        /// What it is asked for.
        terms: Terms,
        /// RFC 6749 section 4.1.3 and RFC 7636 section 4.5.
        binding: Binding,
    },
    /// A refresh token is used: RFC 6749 section 6.
    Refresh {
        /// The token, and who presents it.
        presented: Presented,
        /// What it is asked for.
        terms: Terms,
    },
    /// The client gives a refresh token back: RFC 7009.
    Revoke {
        /// The token, and who presents it.
        presented: Presented,
    },
    /// An administrator, or the bearer of an access token of it, ends the grant.
    End {},
}

/// A code or a refresh token as it was presented by an authenticated client.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Presented {
    /// The key that the proof is made with. It is this grant's only.
    pub(crate) key: ProofKey,
    pub(crate) proof: Proof,
    pub(crate) generation: u32,
    pub(crate) client_id: ClientId,
}

/// What the directory says at the moment of the act, and what is asked for.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Terms {
    /// Whether the application may have refresh tokens at all.
    pub(crate) refreshable: bool,
    pub(crate) policy: RefreshPolicy,
    pub(crate) epochs: Epochs,
    /// The API that the access token is for; the grant's first one otherwise.
    pub(crate) api: Option<ApiUri>,
    /// The scopes that it is to carry; all that were granted on the API otherwise.
    pub(crate) scopes: Option<Vec<RoleName>>,
    /// Where it is presented: the standard's endpoints have no name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) realm: String,
}

/// What a code is bound to.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Binding {
    pub(crate) redirect_uri: Option<String>,
    /// RFC 7636 section 4.1.
    pub(crate) verifier: String,
}

/// How often everything of a tenant and of an application has been revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Default)]
pub struct Epochs {
    pub(crate) tenant: u64,
    pub(crate) application: u64,
}

/// What came of a command.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// Tokens are to be issued.
    Issue(Issue),
    /// It was done, or had been before.
    Done {},
    /// It was not.
    Refused(Refusal),
}

/// What an access token, and a refresh token, are to say.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Issue {
    pub(crate) subject: String,
    pub(crate) api: ApiUri,
    pub(crate) scopes: Vec<RoleName>,
    pub(crate) claims: Object,
    /// When the user consented.
    pub(crate) since: UnixTime,
    /// No token of the grant lives longer.
    pub(crate) ends: UnixTime,
    pub(crate) refresh: Option<Successor>,
}

/// The refresh token that is valid now.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Successor {
    pub(crate) generation: u32,
    pub(crate) proof: Proof,
    /// When it is of no use any more, unless it is used before.
    pub(crate) expires: UnixTime,
}

impl PartialEq for Successor {
    /// The proof follows from the generation.
    fn eq(&self, other: &Self) -> bool {
        (self.generation, self.expires) == (other.generation, other.expires)
    }
}

/// Why a command was refused. The client is told the same for almost all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such grant, or it has expired and is gone.
    Unknown,
    /// The token was not made for this grant.
    Forged,
    /// The token is another client's.
    Foreign,
    /// The grant, or the code, has expired.
    Expired,
    /// The grant was revoked before.
    Revoked,
    /// A code was used a second time: the grant is revoked now.
    CodeReplayed,
    /// A spent refresh token was used: the grant is revoked now.
    Replayed,
    /// The token is of a generation that the store does not know of: the store went back in time.
    Ahead,
    /// The redirection URI is not the one that the code was asked for with.
    RedirectUri,
    /// The verifier does not fit the challenge.
    Verifier,
    /// The grant was opened in another dialect, or under another policy.
    Realm,
    /// The grant is not for that API.
    Api,
    /// More scopes than were granted.
    Scope,
    /// The stored record cannot be read.
    Corrupt,
}

impl Refusal {
    /// Every refusal.
    pub const ALL: [Self; 14] = [
        Self::Unknown,
        Self::Forged,
        Self::Foreign,
        Self::Expired,
        Self::Revoked,
        Self::CodeReplayed,
        Self::Replayed,
        Self::Ahead,
        Self::RedirectUri,
        Self::Verifier,
        Self::Realm,
        Self::Api,
        Self::Scope,
        Self::Corrupt,
    ];

    /// A stable name, which is also the code of the event that tells the operator.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "grant_unknown",
            Self::Forged => "grant_forged",
            Self::Foreign => "grant_foreign",
            Self::Expired => "grant_expired",
            Self::Revoked => "grant_revoked",
            Self::CodeReplayed => "grant_code_replayed",
            Self::Replayed => "grant_replayed",
            Self::Ahead => "grant_ahead",
            Self::RedirectUri => "grant_redirect_uri",
            Self::Verifier => "grant_verifier",
            Self::Realm => "grant_realm",
            Self::Api => "grant_api",
            Self::Scope => "grant_scope",
            Self::Corrupt => "grant_corrupt",
        }
    }
}

impl Serialize for Refusal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

named!(Refusal, "the name of a refusal");

record!(Presented {
    key = "key",
    proof = "proof",
    generation = "generation",
    client_id = "clientId",
});

record!(Terms {
    refreshable = "refreshable",
    policy = "policy",
    epochs = "epochs",
    api = "api",
    scopes = "scopes",
} default {
    realm = "realm",
});

record!(Binding {
    redirect_uri = "redirectUri",
    verifier = "verifier",
});

record!(Epochs {
    tenant = "tenant",
    application = "application",
});

record!(Issue {
    subject = "subject",
    api = "api",
    scopes = "scopes",
    claims = "claims",
    since = "since",
    ends = "ends",
    refresh = "refresh",
});

record!(Successor {
    generation = "generation",
    proof = "proof",
    expires = "expires",
});

impl Member for Command {
    fn read(value: Value) -> Result<Self, JsonError> {
        let (name, value) = Members::of(value)?.only()?;
        let mut members = Members::of(value)?;
        match name.as_str() {
            "redeem" => Ok(Self::Redeem {
                presented: members.take("presented")?,
                terms: members.take("terms")?,
                binding: members.take("binding")?,
            }),
            "refresh" => Ok(Self::Refresh {
                presented: members.take("presented")?,
                terms: members.take("terms")?,
            }),
            "revoke" => Ok(Self::Revoke {
                presented: members.take("presented")?,
            }),
            "end" => Ok(Self::End {}),
            _ => Err(JsonError::expected("a command")),
        }
    }
}

impl Member for Outcome {
    fn read(value: Value) -> Result<Self, JsonError> {
        let (name, value) = Members::of(value)?.only()?;
        match name.as_str() {
            "issue" => Issue::read(value).map(Self::Issue),
            "done" => Ok(Self::Done {}),
            "refused" => Refusal::read(value).map(Self::Refused),
            _ => Err(JsonError::expected("an outcome")),
        }
    }
}
