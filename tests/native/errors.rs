//! What goes on the wire for every reason: requirement 15 (RFC 6749 section 5.2).

use std::collections::HashSet;

use edgemint::client::GrantType;
use edgemint::error::Reason;
use edgemint::grant::Refusal;

use crate::support::is_description;

/// Lists reasons, each with a pattern: the match is exhaustive, so a reason that is missing here
/// does not compile.
macro_rules! reasons {
    ($($pattern:pat => $reason:expr),+ $(,)?) => {
        fn every_reason() -> Vec<Reason> {
            vec![$($reason),+]
        }

        fn is_listed(reason: &Reason) -> bool {
            match reason {
                $($pattern => true),+
            }
        }
    };
}

reasons! {
    Reason::UnknownPath => Reason::UnknownPath,
    Reason::UnknownTenant => Reason::UnknownTenant,
    Reason::NoTenantNamed => Reason::NoTenantNamed,
    Reason::Method(_) => Reason::Method("POST".into()),
    Reason::ContentType => Reason::ContentType,
    Reason::BodyTooLarge => Reason::BodyTooLarge,
    Reason::BodyUnreadable => Reason::BodyUnreadable,
    Reason::FormSyntax => Reason::FormSyntax,
    Reason::RepeatedParameter(_) => Reason::RepeatedParameter(canary()),
    Reason::ParameterInUrl(_) => Reason::ParameterInUrl(canary()),
    Reason::GrantTypeMissing => Reason::GrantTypeMissing,
    Reason::SeveralAuthenticationMethods => Reason::SeveralAuthenticationMethods,
    Reason::ClientIdMismatch => Reason::ClientIdMismatch,
    Reason::NoCredentials => Reason::NoCredentials,
    Reason::SecretMissing => Reason::SecretMissing,
    Reason::AuthorizationScheme => Reason::AuthorizationScheme,
    Reason::AuthorizationSyntax => Reason::AuthorizationSyntax,
    Reason::ClientIdMalformed => Reason::ClientIdMalformed,
    Reason::SecretMalformed => Reason::SecretMalformed,
    Reason::AssertionUnsupported => Reason::AssertionUnsupported,
    Reason::UnknownClient => Reason::UnknownClient,
    Reason::WrongSecret => Reason::WrongSecret,
    Reason::SecretLapsed => Reason::SecretLapsed,
    Reason::ClientDisabled => Reason::ClientDisabled,
    Reason::TooManyFailures(_) => Reason::TooManyFailures(60),
    Reason::GrantTypeUnknown => Reason::GrantTypeUnknown,
    Reason::GrantTypeNotAllowed(_) => Reason::GrantTypeNotAllowed(GrantType::ClientCredentials),
    Reason::PublicClient => Reason::PublicClient,
    Reason::ScopeCharacters => Reason::ScopeCharacters,
    Reason::ScopeUnknown => Reason::ScopeUnknown,
    Reason::NotDefault => Reason::NotDefault,
    Reason::DefaultNotAlone => Reason::DefaultNotAlone,
    Reason::SeveralApis => Reason::SeveralApis,
    Reason::ScopeOutsideResource => Reason::ScopeOutsideResource,
    Reason::NothingAsked => Reason::NothingAsked,
    Reason::UnknownApi(_) => Reason::UnknownApi(canary()),
    Reason::RoleNotAssigned => Reason::RoleNotAssigned,
    Reason::AssignmentRequired => Reason::AssignmentRequired,
    Reason::ResourceSyntax => Reason::ResourceSyntax,
    Reason::SeveralResources => Reason::SeveralResources,
    Reason::UnknownResource(_) => Reason::UnknownResource(canary()),
    Reason::ParameterMissing(_) => Reason::ParameterMissing("code"),
    Reason::GrantTokenMalformed => Reason::GrantTokenMalformed,
    Reason::Grant(..) => Reason::Grant(Refusal::Replayed, canary(), false),
    Reason::ScopeWithdrawn => Reason::ScopeWithdrawn,
    Reason::Verifier => Reason::Verifier,
    Reason::NoGrants => Reason::NoGrants,
    Reason::TokenTypeUnsupported => Reason::TokenTypeUnsupported,
    Reason::QueryTooLong => Reason::QueryTooLong,
    Reason::UnknownApplication => Reason::UnknownApplication,
    Reason::RedirectUnregistered => Reason::RedirectUnregistered,
    Reason::ResponseType => Reason::ResponseType,
    Reason::ResponseMode => Reason::ResponseMode,
    Reason::Challenge => Reason::Challenge,
    Reason::NoLoginPage => Reason::NoLoginPage,
    Reason::NoToken => Reason::NoToken,
    Reason::InvalidToken(_) => Reason::InvalidToken("expired"),
    Reason::RoleMissing => Reason::RoleMissing,
    Reason::NotJson => Reason::NotJson,
    Reason::Storage(_) => Reason::Storage(canary()),
    Reason::ClaimsHook(_) => Reason::ClaimsHook(canary()),
    Reason::CorruptRecord { .. } => Reason::CorruptRecord { key: canary(), why: canary() },
    Reason::NoSigningKey(_) => Reason::NoSigningKey("ES256"),
    Reason::UnknownMasterKey => Reason::UnknownMasterKey,
    Reason::BrokenSeal => Reason::BrokenSeal,
    Reason::Signing(_) => Reason::Signing(canary()),
    Reason::Entropy => Reason::Entropy,
    Reason::StoreNotAtomic => Reason::StoreNotAtomic,
    Reason::Internal(_) => Reason::Internal(canary()),
}

/// A detail that must stay with the operator.
fn canary() -> String {
    "canary \"\\\u{0}\u{e9}".to_owned()
}

#[test]
fn r15_every_description_has_the_characters_of_section_5_2_only() {
    let refusals = Refusal::ALL.map(|refusal| Reason::Grant(refusal, canary(), true));
    for reason in every_reason().into_iter().chain(refusals) {
        assert!(is_listed(&reason));
        let description = reason.wire().description;
        assert!(!description.is_empty(), "{reason:?}");
        assert!(is_description(description), "{reason:?}: {description:?}");
    }
}

#[test]
fn r15_every_error_code_is_a_registered_one_with_its_status() {
    for reason in every_reason() {
        let wire = reason.wire();
        // RFC 6749 sections 4.1.2.1 and 5.2, RFC 6750 section 3.1, RFC 7009 section 2.2.1, RFC 8707
        // section 2.
        let statuses: &[u16] = match wire.error {
            "invalid_request" => &[400, 404, 405, 413, 414, 415],
            "invalid_token" => &[401],
            "insufficient_scope" => &[403],
            "unsupported_response_type" | "unsupported_token_type" => &[400],
            "invalid_client" => &[401],
            "invalid_grant" | "unauthorized_client" | "unsupported_grant_type" => &[400],
            "invalid_scope" | "invalid_target" => &[400],
            "temporarily_unavailable" => &[429, 503],
            "server_error" => &[500],
            other => panic!("{other} is no code of the specification"),
        };
        assert!(statuses.contains(&wire.status), "{reason:?}: {wire:?}");
    }
}

#[test]
fn r15_what_the_operator_hears_never_goes_on_the_wire() {
    for reason in every_reason() {
        let wire = reason.wire();
        assert!(!wire.description.contains("canary"), "{reason:?}");
        if let Some(detail) = reason.detail() {
            assert!(!wire.description.contains(&detail), "{reason:?}");
        }
    }
}

#[test]
fn r08_every_reason_of_failed_authentication_has_the_same_wire_error() {
    let reasons = every_reason();
    let failures = reasons.iter().map(Reason::wire);
    let failures: Vec<_> = failures
        .filter(|wire| wire.error == "invalid_client")
        .collect();
    assert!(failures.len() > 1);
    assert!(failures.iter().all(|wire| *wire == failures[0]));
}

#[test]
fn the_operator_can_tell_every_reason_from_every_other() {
    let mut reasons = every_reason();
    reasons.retain(|reason| !matches!(reason, Reason::Grant(..)));
    reasons.extend(Refusal::ALL.map(|refusal| Reason::Grant(refusal, canary(), true)));
    let codes: HashSet<&str> = reasons.iter().map(Reason::code).collect();
    assert_eq!(codes.len(), reasons.len());
    for code in codes {
        let well_formed = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
        assert!(code.bytes().all(well_formed), "{code}");
    }
}
