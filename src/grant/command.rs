//! What may be done to a grant, and what comes of it: plain data, so that the step can be taken where
//! the grant is stored.

use zeroize::Zeroizing;

use super::token::{Proof, ProofKey};
use crate::api::{ApiUri, RoleName};
use crate::client::{ClientId, RefreshPolicy};
use crate::json::{JsonError, Member, Members, Object, Value, Writer, named, record};
use crate::time::UnixTime;

/// One act on a grant.
#[derive(Debug, Clone)]
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
#[derive(Debug, Clone)]
pub struct Presented {
    /// The key that the proof is made with. It is this grant's only.
    pub(crate) key: ProofKey,
    pub(crate) proof: Proof,
    pub(crate) generation: u32,
    pub(crate) client_id: ClientId,
}

/// What the directory says at the moment of the act, and what is asked for.
#[derive(Debug, Clone)]
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
    pub(crate) realm: String,
}

/// What a code is bound to.
#[derive(Debug, Clone)]
pub struct Binding {
    pub(crate) redirect_uri: Option<String>,
    /// RFC 7636 section 4.1.
    pub(crate) verifier: String,
}

/// How often everything of a tenant and of an application has been revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Epochs {
    pub(crate) tenant: u64,
    pub(crate) application: u64,
}

/// What came of a command.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// Tokens are to be issued.
    Issue(Issue),
    /// It was done, or had been before.
    Done {},
    /// It was not.
    Refused(Refusal),
}

/// What an access token, and a refresh token, are to say.
#[derive(Debug, Clone, PartialEq)]
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
#[derive(Debug, Clone)]
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

// What is written here is read by other versions while one takes the other's place: what the readers below
// require stays, and what is nothing is left out.

impl Command {
    /// As text, for a store that takes the step where it keeps the grant. It holds secrets.
    #[must_use]
    pub fn to_json(&self) -> Zeroizing<String> {
        // Large enough not to be moved, unless much is asked for: what is left behind would not be wiped.
        let bytes = if matches!(self, Self::Redeem { .. }) {
            1_024
        } else {
            512
        };
        let text = Writer::object(bytes, |out| match self {
            Self::Redeem {
                presented,
                terms,
                binding,
            } => out.nested("redeem", |out| {
                presented.write(out);
                terms.write(out);
                out.nested("binding", |out| {
                    out.optional("redirectUri", binding.redirect_uri.as_deref());
                    out.text("verifier", &binding.verifier);
                });
            }),
            Self::Refresh { presented, terms } => out.nested("refresh", |out| {
                presented.write(out);
                terms.write(out);
            }),
            Self::Revoke { presented } => out.nested("revoke", |out| presented.write(out)),
            Self::End {} => out.nested("end", |_| {}),
        });
        Zeroizing::new(text)
    }
}

impl Presented {
    fn write(&self, out: &mut Writer) {
        out.nested("presented", |out| {
            out.text("key", &self.key.text());
            out.text("proof", &self.proof.text());
            out.number("generation", self.generation.into());
            out.text("clientId", self.client_id.as_str());
        });
    }
}

impl Terms {
    fn write(&self, out: &mut Writer) {
        out.nested("terms", |out| {
            out.bool("refreshable", self.refreshable);
            out.nested("policy", |out| self.policy.write(out));
            self.epochs.write(out);
            out.optional("api", self.api.as_ref().map(ApiUri::as_str));
            if let Some(scopes) = &self.scopes {
                out.texts("scopes", scopes);
            }
            if !self.realm.is_empty() {
                out.text("realm", &self.realm);
            }
        });
    }
}

impl Epochs {
    pub(super) fn write(self, out: &mut Writer) {
        out.nested("epochs", |out| {
            out.number("tenant", self.tenant);
            out.number("application", self.application);
        });
    }
}

impl Outcome {
    /// As text, for whoever asked for the step. It holds a proof.
    #[must_use]
    pub fn to_json(&self) -> String {
        Writer::object(512, |out| match self {
            Self::Issue(issue) => out.nested("issue", |out| {
                out.text("subject", &issue.subject);
                out.text("api", issue.api.as_str());
                out.texts("scopes", &issue.scopes);
                out.members("claims", &issue.claims);
                out.number("since", issue.since.secs());
                out.number("ends", issue.ends.secs());
                if let Some(next) = &issue.refresh {
                    out.nested("refresh", |out| {
                        out.number("generation", next.generation.into());
                        out.text("proof", &next.proof.text());
                        out.number("expires", next.expires.secs());
                    });
                }
            }),
            Self::Done {} => out.nested("done", |_| {}),
            Self::Refused(refusal) => out.text("refused", refusal.name()),
        })
    }
}

impl Member for Command {
    fn read(value: Value<'_>) -> Result<Self, JsonError> {
        let (name, value) = Members::of(value)?.only()?;
        let mut members = Members::of(value)?;
        match &*name {
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
    fn read(value: Value<'_>) -> Result<Self, JsonError> {
        let (name, value) = Members::of(value)?.only()?;
        match &*name {
            "issue" => Issue::read(value).map(Self::Issue),
            "done" => Ok(Self::Done {}),
            "refused" => Refusal::read(value).map(Self::Refused),
            _ => Err(JsonError::expected("an outcome")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    /// What version 0.1.0 wrote first: with every member, though it be nothing.
    const FIRST_COMMAND: &str = concat!(
        r#"{"redeem":{"presented":{"key":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYX","#,
        r#""proof":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8","generation":7,"#,
        r#""clientId":"f3a1c9e2-0b7d-4c56-9e21-7d2f0c8a4b13"},"terms":{"refreshable":true,"#,
        r#""policy":{"mode":"dialect","grace":10,"idle":2592000,"absolute":7776000},"#,
        r#""epochs":{"tenant":1,"application":2},"api":null,"scopes":null},"#,
        r#""binding":{"redirectUri":null,"verifier":"v"}}}"#,
    );
    const FIRST_OUTCOME: &str = concat!(
        r#"{"issue":{"subject":"ada","api":"api://orders","scopes":["Orders.Read"],"#,
        r#""claims":{"name":"A \"B\"","levels":[1,-2,true,null,{}]},"since":1800000000,"#,
        r#""ends":1807776000,"refresh":null}}"#,
    );

    #[test]
    fn a_command_of_the_first_form_is_read_and_written_without_what_is_nothing() {
        let command: Command = json::read(FIRST_COMMAND).unwrap();
        let expected = FIRST_COMMAND
            .replace(r#","api":null,"scopes":null"#, "")
            .replace(r#""redirectUri":null,"#, "");
        assert_eq!(*command.to_json(), expected);
        let again: Command = json::read(&expected).unwrap();
        assert_eq!(again.to_json(), command.to_json());
    }

    #[test]
    fn a_command_says_what_is_asked_for() {
        let text = FIRST_COMMAND
            .replace(
                r#""api":null,"scopes":null"#,
                r#""api":"api://orders","scopes":["A","B"],"realm":"entra""#,
            )
            .replace("null", r#""https://app.example.com/""#);
        let command: Command = json::read(&text).unwrap();
        assert_eq!(*command.to_json(), text);
        for text in [
            r#"{"end":{}}"#.to_owned(),
            r#"{"revoke":{"presented":P}}"#.replace('P', {
                let (_, rest) = FIRST_COMMAND.split_once(r#""presented":"#).unwrap();
                rest.split_once(r#","terms""#).unwrap().0
            }),
        ] {
            let command: Command = json::read(&text).unwrap();
            assert_eq!(*command.to_json(), text);
        }
    }

    #[test]
    fn an_outcome_of_the_first_form_is_read_and_written_without_what_is_nothing() {
        let outcome: Outcome = json::read(FIRST_OUTCOME).unwrap();
        let expected = FIRST_OUTCOME.replace(r#","refresh":null"#, "");
        assert_eq!(outcome.to_json(), expected);
        let refresh = concat!(
            r#""refresh":{"generation":8,"proof":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8","#,
            r#""expires":1802592000}"#
        );
        for text in [
            FIRST_OUTCOME.replace(r#""refresh":null"#, refresh),
            r#"{"done":{}}"#.to_owned(),
            r#"{"refused":"grant_replayed"}"#.to_owned(),
        ] {
            let outcome: Outcome = json::read(&text).unwrap();
            assert_eq!(outcome.to_json(), text);
        }
    }
}
