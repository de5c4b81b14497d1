//! The wasm edge in a browser.
