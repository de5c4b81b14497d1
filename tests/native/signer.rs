//! The software signer: ES256 and EdDSA, and a clear error for what it does not know.

use edgemint::key::software::SoftwareSigner;
use edgemint::key::{Algorithm, PublicKey, Signer, SignerError};
use futures_executor::block_on;
use serde_json::{Value, json};

use crate::support::{Seeded, Token, World, thumbprint};

fn signer() -> SoftwareSigner<Seeded> {
    SoftwareSigner::new(Seeded::default())
}

fn jwk(public: &PublicKey) -> Value {
    serde_json::to_value(public).unwrap()
}

#[test]
fn a_generated_key_is_imported_and_its_signature_verifies() {
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
        let signer = signer();
        let generated = block_on(signer.generate(algorithm)).unwrap();
        assert_eq!(generated.public.algorithm(), algorithm);
        let key = block_on(signer.import(algorithm, &generated.private)).unwrap();
        let mut public = jwk(&generated.public);
        public["kid"] = json!("k");
        public["alg"] = json!(algorithm.name());
        let compact = sign(&signer, &key, algorithm);
        assert!(
            Token::verify(&compact, &[public.clone()]).is_some(),
            "{algorithm}"
        );
        // And no other key's.
        let other = block_on(signer.generate(algorithm)).unwrap();
        let key = block_on(signer.import(algorithm, &other.private)).unwrap();
        let compact = sign(&signer, &key, algorithm);
        assert!(Token::verify(&compact, &[public]).is_none(), "{algorithm}");
    }
}

/// A JWS of no claims: RFC 7515 section 7.1.
fn sign<S: Signer>(signer: &S, key: &S::Key, algorithm: Algorithm) -> String {
    use base64ct::{Base64UrlUnpadded, Encoding};
    let header = json!({"alg": algorithm.name(), "kid": "k"}).to_string();
    let header = Base64UrlUnpadded::encode_string(header.as_bytes());
    let input = format!("{header}.e30");
    let signature = block_on(signer.sign(key, input.as_bytes())).unwrap();
    // RFC 7518 section 3.4 and RFC 8037 section 3.1: 64 bytes each.
    assert_eq!(signature.len(), 64);
    format!("{input}.{}", Base64UrlUnpadded::encode_string(&signature))
}

#[test]
fn the_thumbprint_is_the_one_of_rfc_7638() {
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
        let public = block_on(signer().generate(algorithm)).unwrap().public;
        assert_eq!(public.thumbprint(), thumbprint(&jwk(&public)));
    }
}

#[test]
fn no_two_generated_keys_are_the_same() {
    let signer = signer();
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
        let [one, two] = [0, 1].map(|_| block_on(signer.generate(algorithm)).unwrap());
        assert_ne!(one.public, two.public);
    }
}

#[test]
fn rs256_is_unsupported_and_the_error_says_so() {
    let signer = signer();
    let unsupported = SignerError::Unsupported(Algorithm::Rs256);
    let generated = block_on(signer.generate(Algorithm::Rs256)).err();
    assert_eq!(generated, Some(unsupported.clone()));
    let imported = block_on(signer.import(Algorithm::Rs256, b"")).err();
    assert_eq!(imported, Some(unsupported.clone()));
    assert!(unsupported.to_string().contains("RS256"));
}

#[test]
fn a_key_of_another_kind_is_not_imported() {
    let signer = signer();
    let es256 = block_on(signer.generate(Algorithm::Es256)).unwrap();
    let ed_dsa = block_on(signer.generate(Algorithm::EdDsa)).unwrap();
    for (algorithm, private) in [
        (Algorithm::Es256, ed_dsa.private.as_slice()),
        (Algorithm::EdDsa, es256.private.as_slice()),
        (Algorithm::Es256, &es256.private[1..]),
        (
            Algorithm::EdDsa,
            &ed_dsa.private[..ed_dsa.private.len() - 1],
        ),
        (Algorithm::Es256, b"".as_slice()),
        (Algorithm::EdDsa, b"{}".as_slice()),
    ] {
        let outcome = block_on(signer.import(algorithm, private)).err();
        assert!(
            matches!(outcome, Some(SignerError::Failed(_))),
            "{algorithm}"
        );
    }
}

#[test]
fn without_entropy_no_key_is_made() {
    let entropy = Seeded::default();
    entropy.set_exhausted(true);
    let signer = SoftwareSigner::new(entropy);
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
        let outcome = block_on(signer.generate(algorithm)).err();
        assert!(
            matches!(outcome, Some(SignerError::Failed(_))),
            "{algorithm}"
        );
    }
}

#[test]
fn a_key_survives_being_sealed_stored_and_opened_in_another_location() {
    for algorithm in ["ES256", "EdDSA"] {
        let world = World::empty();
        world.administer(json!({"createTenant": {"tenant": "demo", "algorithm": algorithm}}));
        world.administer(json!({"createApi": {"tenant": "demo", "identifier": "api://orders"}}));
        let client = world.client(&[]);
        let call = client.asks("api://orders/.default");
        let tokens = [&world, &world.elsewhere()].map(|at| world.token(&at.send(&call)));
        assert_eq!(tokens[0].kid(), tokens[1].kid());
        assert_eq!(tokens[0].header["alg"], algorithm);
    }
}
