//! What goes wrong, in the words of the dialect: Microsoft's codes and texts, with what the request named
//! in their places.

use super::documents::fill;
use super::{Asked, Dialect, Endpoint, b2c, entra, is_uuid};
use crate::client::Application;
use crate::endpoint::form::Form;
use crate::endpoint::{Body, Request, Response};
use crate::entropy::{self, Entropy};
use crate::error::Reason;
use crate::json::{self, Value};
use crate::time::UnixTime;

/// A line of a table of errors. In the text, `{a}` and `{n}` are the application's id and name, `{t}` and
/// `{d}` the tenant as asked and its name, `{p}` the policy, `{r}` and `{m}` the API's id and name, `{v}`
/// the verb of the endpoint, `{s}` what the reason is about.
pub(super) struct Row {
    pub(super) code: u32,
    pub(super) status: u16,
    pub(super) error: &'static str,
    pub(super) text: &'static str,
}

pub(super) const fn row(code: u32, status: u16, error: &'static str, text: &'static str) -> Row {
    Row {
        code,
        status,
        error,
        text,
    }
}

/// Most characters of what a request says that are in an answer to it.
const MAX_QUOTED: usize = 200;
/// How secrets, codes and refresh tokens made here start.
const SECRETS: [&str; 3] = ["ems_", "emc_", "emr_"];
/// msal-common InteractionRequiredAuthError.ts looks for these anywhere in a text.
const ORDERS: [&str; 6] = [
    "interaction_required",
    "consent_required",
    "login_required",
    "bad_token",
    "ui_not_allowed",
    "interrupted_user",
];

/// What a request in a dialect has named, as far as it has been understood.
#[derive(Debug, Default)]
pub(crate) struct Inquiry {
    pub(crate) asked: Asked,
    /// The name of the tenant for people.
    pub(crate) directory: String,
    /// Quoted only if it is registered or has the form of an id: clients have sent their secret in its place.
    pub(crate) client: String,
    pub(crate) client_name: String,
    pub(crate) api: String,
    pub(crate) api_name: String,
}

impl Inquiry {
    /// Takes down which client it is from, as far as it may be told.
    pub(crate) fn name_client(&mut self, id: &str, known: Option<&Application>) {
        if let Some(known) = known {
            self.client_name.clone_from(&known.display_name);
        }
        if known.is_some() || is_uuid(&id.to_ascii_lowercase()) {
            id.clone_into(&mut self.client);
        }
    }

    /// The error response for a reason, with the id that the event of it names.
    pub(crate) fn refusal(
        &self,
        reason: &Reason,
        request: &Request<'_>,
        entropy: &impl Entropy,
        trace: &str,
        now: UnixTime,
    ) -> Response {
        let is_b2c = self.asked.dialect == Dialect::B2c;
        let is_metadata = matches!(self.asked.endpoint, Endpoint::Metadata | Endpoint::Jwks);
        let row = if is_b2c {
            b2c::row_of(reason, is_metadata)
        } else {
            entra::row_of(reason)
        };
        let status = match reason.wire().status {
            // These say how to come back.
            status @ (405 | 429 | 500..) => status,
            404 if is_b2c && is_metadata => 404,
            _ => row.status,
        };
        let error = match reason {
            Reason::UnknownTenant if !is_b2c && is_metadata => "invalid_tenant",
            _ => row.error,
        };
        let parse = |bytes| Form::parse(bytes).unwrap_or_default();
        let query = parse(request.query().as_bytes());
        let form = match request.body {
            Body::Whole(body) => parse(body),
            _ => Form::default(),
        };
        // A header, or as MSAL has it in the query and the form.
        let names = "client-request-id";
        let named = [request.correlation, query.get(names), form.get(names)];
        let mut named = named.into_iter().flatten();
        let correlation = match named.find(|text| is_uuid(&text.to_ascii_lowercase())) {
            Some(named) => named.to_owned(),
            None => entropy::uuid(entropy).unwrap_or_default(),
        };
        let subject = match reason {
            Reason::ParameterMissing(name) => name,
            Reason::GrantTypeMissing => "grant_type",
            Reason::NoCredentials => "client_id",
            Reason::UnknownApi(api) => api,
            Reason::Method(_) => request.method,
            Reason::GrantTypeUnknown | Reason::GrantTypeNotAllowed(_) => {
                form.get("grant_type").unwrap_or_default()
            }
            _ => form.get("scope").unwrap_or_default(),
        };
        let [subject, tenant, policy] =
            [subject, &self.asked.tenant, &self.asked.policy].map(quotable);
        let text = fill(row.text, &|letter| {
            Some(match letter {
                b'a' => &self.client,
                b'n' => &self.client_name,
                b't' => &tenant,
                b'd' => &self.directory,
                b'p' => &policy,
                b'r' => &self.api,
                b'm' => &self.api_name,
                b'v' if is_metadata => "GET",
                b'v' => "POST",
                _ => &subject,
            })
        });
        let (code, time) = (row.code.to_string(), timestamp(now));
        let (service, trace_line, trace_id, end) = if is_b2c {
            // It has no trace, and ends its last line.
            ("AADB2C", "", "", "\r\n")
        } else {
            ("AADSTS", "\r\nTrace ID: ", trace, "")
        };
        let description = [
            service,
            &code,
            ": ",
            &text,
            trace_line,
            trace_id,
            "\r\nCorrelation ID: ",
            &correlation,
            "\r\nTimestamp: ",
            &time,
            end,
        ];
        let description = Value::Text(description.concat().into());
        let mut body = ["{\"error\":\"", error, "\",\"error_description\":"].concat();
        body.push_str(&json::write(&description).unwrap_or_default());
        if !is_b2c {
            let more = [
                ",\"error_codes\":[",
                &code,
                "],\"timestamp\":\"",
                &time,
                "\",\"trace_id\":\"",
                trace,
                "\",\"correlation_id\":\"",
                &correlation,
                "\",\"error_uri\":\"https://login.microsoftonline.com/error?code=",
                &code,
                "\"",
            ];
            body.push_str(&more.concat());
        }
        body.push('}');
        let mut response = Response::of_dialect(status, body).uncached();
        if !is_b2c {
            response = response.with("x-ms-request-id", trace.to_owned());
        }
        response.hint(reason)
    }
}

/// What of a request may be in an answer to it: a line of moderate length, without anything that looks like
/// a secret, and without what MSAL would take for an order.
fn quotable(text: &str) -> String {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    // The standard library's search would be larger than all of this.
    let mut before = b' ';
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let starts = |with: &&str| rest.starts_with(with.as_bytes());
        if ORDERS.iter().any(starts) || !is_word(before) && SECRETS.iter().any(starts) {
            return "(hidden)".to_owned();
        }
        (before, rest) = (*first, after);
    }
    let visible = text.chars().filter(|char| !char.is_control());
    visible.take(MAX_QUOTED).collect()
}

/// `2016-01-09 02:02:12Z`.
fn timestamp(now: UnixTime) -> String {
    let (days, second) = (now.secs() / 86_400, now.secs() % 86_400);
    // Years begin in March here, so that the leap day is the last one: Howard Hinnant,
    // "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, year) = if month < 10 {
        (month + 3, era * 400 + year)
    } else {
        (month - 9, era * 400 + year + 1)
    };
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::GrantType;
    use crate::grant::Refusal;

    /// Each reason with its codes at Entra and at B2C. That none is missing is what the tables' own matches
    /// see to.
    fn rows() -> Vec<(Reason, u32, u32)> {
        let text = String::new;
        let refused = |refusal, entra, b2c| (Reason::Grant(refusal, text(), false), entra, b2c);
        let mut rows = vec![
            (Reason::WrongSecret, 7_000_215, 90_081),
            (Reason::SecretMalformed, 7_000_215, 90_081),
            (Reason::SecretLapsed, 7_000_222, 90_081),
            (Reason::SecretMissing, 7_000_218, 90_079),
            (Reason::PublicClient, 7_000_218, 90_079),
            (Reason::AssertionUnsupported, 700_027, 90_081),
            (Reason::UnknownClient, 700_016, 90_018),
            (Reason::ClientIdMalformed, 700_016, 90_018),
            (Reason::UnknownApplication, 700_016, 90_018),
            (Reason::ClientDisabled, 7_000_112, 90_092),
            (Reason::NoCredentials, 900_144, 90_008),
            (Reason::GrantTypeMissing, 900_144, 90_083),
            (Reason::ParameterMissing("scope"), 900_144, 90_010),
            (Reason::ParameterMissing("code"), 900_144, 90_083),
            (Reason::NotDefault, 1_002_012, 90_117),
            (Reason::ScopeCharacters, 70_011, 90_117),
            (Reason::ScopeUnknown, 70_011, 90_055),
            (Reason::DefaultNotAlone, 70_011, 90_117),
            (Reason::ScopeOutsideResource, 70_011, 90_117),
            (Reason::NothingAsked, 70_011, 90_117),
            (Reason::RoleNotAssigned, 70_011, 90_117),
            (Reason::ScopeWithdrawn, 70_011, 90_117),
            (Reason::SeveralApis, 700_022, 90_146),
            (Reason::UnknownApi(text()), 500_011, 90_117),
            (Reason::AssignmentRequired, 501_051, 90_205),
            (Reason::UnknownTenant, 90_002, 90_085),
            (Reason::NoTenantNamed, 50_059, 90_085),
            (Reason::Method("POST".into()), 900_561, 90_085),
            (Reason::GrantTypeUnknown, 70_003, 90_086),
            (
                Reason::GrantTypeNotAllowed(GrantType::RefreshToken),
                70_003,
                90_086,
            ),
            (Reason::UnknownResource(text()), 901_002, 90_085),
            (Reason::ResourceSyntax, 901_002, 90_085),
            (Reason::SeveralResources, 901_002, 90_085),
            (Reason::GrantTokenMalformed, 70_000, 90_085),
            (Reason::Verifier, 501_481, 90_183),
            refused(Refusal::Unknown, 70_000, 90_085),
            refused(Refusal::Forged, 70_000, 90_085),
            refused(Refusal::Foreign, 70_000, 90_085),
            refused(Refusal::Ahead, 70_000, 90_085),
            refused(Refusal::RedirectUri, 70_000, 90_085),
            refused(Refusal::Realm, 70_000, 90_088),
            refused(Refusal::Expired, 70_008, 90_080),
            refused(Refusal::Revoked, 50_173, 90_129),
            refused(Refusal::Replayed, 50_173, 90_129),
            refused(Refusal::CodeReplayed, 54_005, 90_129),
            refused(Refusal::Verifier, 501_481, 90_182),
            refused(Refusal::Api, 70_011, 90_117),
            refused(Refusal::Scope, 70_011, 90_117),
            refused(Refusal::Corrupt, 50_000, 90_085),
            (Reason::TooManyFailures(1), 90_055, 90_035),
            (Reason::Storage(text()), 90_033, 90_035),
            (Reason::ClaimsHook(text()), 90_033, 90_035),
        ];
        let (key, why) = (text(), text());
        let faults = [
            Reason::CorruptRecord { key, why },
            Reason::NoSigningKey("RS256"),
            Reason::UnknownMasterKey,
            Reason::BrokenSeal,
            Reason::Signing(text()),
            Reason::Entropy,
            Reason::NoLoginPage,
            Reason::Internal(text()),
        ];
        rows.extend(faults.map(|reason| (reason, 50_000, 90_085)));
        let malformed = [
            Reason::ContentType,
            Reason::BodyTooLarge,
            Reason::BodyUnreadable,
            Reason::FormSyntax,
            Reason::RepeatedParameter(text()),
            Reason::ParameterInUrl(text()),
            Reason::SeveralAuthenticationMethods,
            Reason::ClientIdMismatch,
            Reason::AuthorizationScheme,
            Reason::AuthorizationSyntax,
            Reason::UnknownPath,
            Reason::NoGrants,
            Reason::TokenTypeUnsupported,
            Reason::QueryTooLong,
            Reason::RedirectUnregistered,
            Reason::ResponseType,
            Reason::ResponseMode,
            Reason::Challenge,
            Reason::NoToken,
            Reason::InvalidToken(""),
            Reason::RoleMissing,
            Reason::NotJson,
        ];
        rows.extend(malformed.map(|reason| (reason, 9_002_313, 90_085)));
        rows
    }

    #[test]
    fn every_reason_has_its_row() {
        for (reason, entra, b2c) in rows() {
            assert_eq!(entra::row_of(&reason).code, entra, "{reason:?}");
            assert_eq!(b2c::row_of(&reason, false).code, b2c, "{reason:?}");
        }
        assert_eq!(b2c::row_of(&Reason::UnknownTenant, true).code, 90_022);
        let refusals = rows().into_iter();
        let refusals = refusals.filter(|(reason, ..)| matches!(reason, Reason::Grant(..)));
        assert_eq!(refusals.count(), Refusal::ALL.len());
    }

    #[test]
    fn what_is_quoted_gives_no_order_and_no_secret_away() {
        for (asked, quoted) in [
            ("api://items_read/x y", "api://items_read/x y"),
            ("x\r\nTrace ID: y", "xTrace ID: y"),
            ("api://orders/.default ems_abc", "(hidden)"),
            ("emr_abc", "(hidden)"),
            ("https://x/emc_abc", "(hidden)"),
            ("b2c_1_login_required", "(hidden)"),
        ] {
            assert_eq!(quotable(asked), quoted, "{asked}");
        }
        assert_eq!(quotable(&"\u{e9}".repeat(300)), "\u{e9}".repeat(200));
    }

    #[test]
    fn no_text_makes_msal_ask_for_interaction() {
        for (reason, ..) in rows() {
            for row in [
                entra::row_of(&reason),
                b2c::row_of(&reason, false),
                b2c::row_of(&reason, true),
            ] {
                for word in ORDERS {
                    assert!(!row.text.contains(word) && row.error != word, "{word}");
                }
                assert!(matches!(
                    row.status,
                    400 | 401 | 404 | 405 | 429 | 500 | 503
                ));
            }
        }
    }

    #[test]
    fn a_timestamp_is_the_civil_date() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00Z"),
            (951_782_399, "2000-02-28 23:59:59Z"),
            (951_782_400, "2000-02-29 00:00:00Z"),
            (951_868_800, "2000-03-01 00:00:00Z"),
            (1_452_304_932, "2016-01-09 02:02:12Z"),
            (4_107_542_400, "2100-03-01 00:00:00Z"),
            (253_402_300_799, "9999-12-31 23:59:59Z"),
        ] {
            assert_eq!(timestamp(UnixTime::from_secs(seconds)), text);
        }
    }
}
