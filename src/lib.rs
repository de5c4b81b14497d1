//! edgemint: an OAuth 2.0 token service that runs at the edge.
//!
//! The core is plain Rust. It reads no clock, draws no randomness and does no I/O of its own: a
//! [`Host`] hands these in, so the same code runs natively, in a browser and in a Cloudflare Worker,
//! and a test can simulate everything around it. Only `wasm` knows JavaScript.
//!
//! | module | what it answers for |
//! | --- | --- |
//! | [`endpoint`] | HTTP in, HTTP out: routes, forms, the token endpoint, metadata, keys |
//! | [`grant`] | the grants of RFC 6749: what a token request asks for, and the token for it |
//! | [`client`] | applications, their secrets, client authentication |
//! | [`api`] | APIs, app roles, scopes and resources |
//! | `dialect` | the contracts of Entra ID and Azure AD B2C, as tables |
//! | `token`, `verification` | access tokens (RFC 9068): made, and checked when they come back |
//! | [`administration`] | what an administrator does |
//! | `act` | what a login page does |
//! | [`key`] | master key, key ring, signers |
//! | [`directory`] | the records of a tenant, read through a cache |
//! | [`store`] | the storage trait, its contract, the memory store |
//! | [`error`], [`event`] | reasons, what goes on the wire, what the operator hears |
//! | `time`, `entropy` | what the host hands in beside storage and signatures |
//! | `base64url` | base64url of what is no secret |

mod act;
pub mod administration;
pub mod api;
mod base64url;
pub mod client;
mod dialect;
pub mod directory;
pub mod endpoint;
mod entropy;
pub mod error;
pub mod event;
pub mod grant;
mod issuer;
mod json;
pub mod key;
pub mod store;
mod text;
mod time;
mod token;
mod verification;
#[cfg(target_arch = "wasm32")]
pub mod wasm;

pub use act::Act;
pub use entropy::{Entropy, EntropyError};
pub use issuer::{Config, ConfigError, Host, Issuer};
pub use json::JsonError;
pub use time::UnixTime;
