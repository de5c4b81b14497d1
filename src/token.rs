//! Access tokens: signed JWTs of the profile of RFC 9068, or of the shape that a dialect gives them.
//!
//! Header and claims are written here, and the signature is put where it belongs once it is there: it comes
//! from a [`Signer`](crate::key::Signer), which may be asynchronous (docs/decisions/0014).

use crate::api::RoleName;
use crate::base64url;
use crate::client::ClientId;
use crate::dialect::{Field, Shape, TAKEN};
use crate::error::Reason;
use crate::json::{Object, Writer};
use crate::key::Algorithm;

use crate::time::UnixTime;

/// Seconds that an access token lives if nobody says otherwise.
pub(crate) const DEFAULT_LIFETIME: u32 = 3_600;
/// Fewest seconds that an access token may live.
pub(crate) const MIN_LIFETIME: u64 = 60;
/// Most seconds that an access token may live.
pub(crate) const MAX_LIFETIME: u64 = 86_400;

/// Bytes that most claims have room in.
const CLAIMS: usize = 768;
/// Characters of the signature with its dot, and of the dot before the claims: that of ES256 and EdDSA.
const SIGNATURE: usize = 88;

/// An access token, of one shape or another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AccessToken<'a> {
    pub(crate) shape: &'static Shape,
    pub(crate) iss: &'a str,
    /// The user, or the client where no user is involved: RFC 9068 section 2.2.
    pub(crate) sub: &'a str,
    /// The API.
    pub(crate) aud: &'a str,
    pub(crate) client_id: &'a ClientId,
    /// Never repeats: 128 random bits.
    pub(crate) jti: &'a str,
    /// The app roles of a client that acts for itself.
    pub(crate) roles: Option<&'a [RoleName]>,
    pub(crate) scope: &'a str,
    /// The tenant's id.
    pub(crate) tid: &'a str,
    /// The grant that it comes from, if there is one.
    pub(crate) sid: Option<&'a str>,
    /// What the login page or the host added: none of the names of the shape.
    pub(crate) claims: Option<&'a Object>,
    /// What only the dialects say.
    pub(crate) realm: Option<&'a InRealm<'a>>,
}

/// What only an access token of Entra or B2C says.
#[derive(Debug)]
pub(crate) struct InRealm<'a> {
    pub(crate) oid: String,
    /// 0 for a public client, 1 for a secret, 2 for an assertion.
    pub(crate) proof: &'static str,
    pub(crate) policy: Option<&'a str>,
    /// What is granted, by its names.
    pub(crate) names: String,
    pub(crate) has_id_type: bool,
    pub(crate) opaque: [String; 2],
}

impl AccessToken<'_> {
    fn text(&self, field: Field) -> Option<&str> {
        let is_user = self.sid.is_some();
        Some(match field {
            Field::Issuer => self.iss,
            Field::Subject => self.sub,
            Field::Audience => self.aud,
            Field::Client => self.client_id.as_str(),
            Field::Unique => self.jti,
            Field::Scope => self.scope,
            Field::Tenant => self.tid,
            Field::Session => return self.sid,
            Field::Always(text) => text,
            Field::Roles => return None,
            Field::ObjectId => &self.realm?.oid,
            Field::Proof => self.realm?.proof,
            Field::Policy => return self.realm?.policy,
            Field::UserNames if !is_user => return None,
            Field::UserNames | Field::Names => {
                return self
                    .realm
                    .map(|realm| realm.names.as_str())
                    .filter(|names| !names.is_empty());
            }
            Field::IdType => {
                return self
                    .realm
                    .filter(|realm| realm.has_id_type && !is_user)
                    .map(|_| "app");
            }
            Field::Opaque => self.realm?.opaque.first()?,
            Field::OtherOpaque => self.realm?.opaque.last()?,
        })
    }
}

impl Shape {
    /// The header of every token of this shape that a key signs, in base64url: RFC 7515 section 4.1, RFC 9068
    /// section 2.1.
    pub(crate) fn header(&self, algorithm: Algorithm, kid: &str) -> Vec<u8> {
        let header = Writer::object(128, |out| {
            out.text("alg", algorithm.name());
            out.text("kid", kid);
            out.text("typ", self.typ);
            if self.has_x5t {
                // As tokens of version 1.0 have it, the key's id once more: not the hash of a certificate
                // that RFC 7515 section 4.1.7 means.
                out.text("x5t", kid);
            }
        });
        let mut encoded = Vec::new();
        base64url::push(&mut encoded, header.as_bytes());
        encoded
    }
}

/// A token that lacks its signature only.
pub(crate) struct Unsigned(Vec<u8>);

impl AccessToken<'_> {
    /// Writes the token as far as the signature. The header is one of its shape.
    pub(crate) fn unsigned(&self, header: &[u8], issued_at: UnixTime, lifetime: u32) -> Unsigned {
        let claims = self.claims(issued_at, lifetime);
        let length = header.len() + base64url::length(claims.len()) + SIGNATURE;
        let mut token = Vec::with_capacity(length);
        token.extend_from_slice(header);
        token.push(b'.');
        base64url::push(&mut token, claims.as_bytes());
        Unsigned(token)
    }

    fn claims(&self, issued_at: UnixTime, lifetime: u32) -> String {
        let issued_at = issued_at.secs();
        Writer::object(CLAIMS, |out| {
            out.number("exp", issued_at.saturating_add(u64::from(lifetime)));
            out.number("nbf", issued_at);
            out.number("iat", issued_at);
            for (name, field) in self.shape.claims {
                match (field, self.roles) {
                    (Field::Roles, Some(roles)) => out.texts(name, roles),
                    _ => out.optional(name, self.text(*field)),
                }
            }
            for (name, value) in self.claims.into_iter().flat_map(Object::members) {
                // Who added it need not know which dialect the token is of.
                if self.realm.is_none() || !TAKEN.contains(&name.as_ref()) {
                    out.value(name, value);
                }
            }
        })
    }
}

impl Unsigned {
    /// What is to be signed: RFC 7515 section 5.1.
    pub(crate) fn signing_input(&self) -> &[u8] {
        &self.0
    }

    /// The compact serialisation: RFC 7515 section 7.1.
    pub(crate) fn with_signature(self, signature: &[u8]) -> Result<String, Reason> {
        let mut token = self.0;
        token.push(b'.');
        base64url::push(&mut token, signature);
        String::from_utf8(token).map_err(|error| Reason::Internal(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use base64ct::{Base64UrlUnpadded, Encoding};

    use super::*;
    use crate::dialect::{STANDARD, V1};

    /// Validators do not mind the order of members, people who compare tokens do.
    #[test]
    fn a_token_is_written_in_one_order() {
        let client = ClientId::new("c\"1").unwrap();
        let roles = ["Orders.Read", "Orders.Write"].map(|role| RoleName::new(role).unwrap());
        let added: Object = crate::json::read(r#"{"level":-1,"a\"b":["x",{"y":null}]}"#).unwrap();
        let token = AccessToken {
            shape: &STANDARD,
            iss: "https://a.example/demo",
            sub: "ada",
            aud: "api://orders",
            client_id: &client,
            jti: "j",
            roles: Some(&roles),
            scope: "api://orders/.default",
            tid: "t",
            sid: None,
            claims: Some(&added),
            realm: None,
        };
        let header = STANDARD.header(Algorithm::Es256, "k");
        let issued_at = UnixTime::from_secs(1_700_000_000);
        let unsigned = token.unsigned(&header, issued_at, 3_600);
        let compact = unsigned.with_signature(&[0xff; 64]).unwrap();
        let (input, signature) = compact.rsplit_once('.').unwrap();
        let (header, claims) = input.split_once('.').unwrap();
        let text = |part| String::from_utf8(Base64UrlUnpadded::decode_vec(part).unwrap()).unwrap();
        assert_eq!(text(header), r#"{"alg":"ES256","kid":"k","typ":"at+jwt"}"#);
        assert_eq!(
            text(claims),
            r#"{"exp":1700003600,"nbf":1700000000,"iat":1700000000,"iss":"https://a.example/demo","#
                .to_owned()
                + r#""sub":"ada","aud":"api://orders","client_id":"c\"1","azp":"c\"1","jti":"j","#
                + r#""roles":["Orders.Read","Orders.Write"],"scope":"api://orders/.default","tid":"t","#
                + r#""level":-1,"a\"b":["x",{"y":null}]}"#
        );
        let signature = Base64UrlUnpadded::decode_vec(signature).unwrap();
        assert_eq!(signature, [0xff; 64]);
    }

    #[test]
    fn the_header_of_version_1_names_its_key_twice() {
        let header = V1.header(Algorithm::Rs256, "k");
        let header = Base64UrlUnpadded::decode_vec(std::str::from_utf8(&header).unwrap()).unwrap();
        assert_eq!(
            header,
            br#"{"alg":"RS256","kid":"k","typ":"JWT","x5t":"k"}"#
        );
    }
}
