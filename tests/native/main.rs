//! What the service does, natively: black-box tests through the public API.
//!
//! A test's name carries the number of the requirement that it holds the service to (`r14_...`).
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

mod administration;
mod administration_api;
mod authorization_code;
mod budget;
mod caching;
mod claims_hook;
mod contract;
mod entra;
mod errors;
mod events;
mod grant_model;
mod introspection;
mod login;
mod master_key;
mod metadata;
mod openapi;
mod properties;
mod refresh;
mod resource;
mod revocation;
mod sessions;
mod signer;
mod storage;
mod storm;
mod support;
mod token_endpoint;
mod tokens;
mod vectors;
