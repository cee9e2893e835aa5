//! The built binary with a real store and a real identity provider behind it, all on loopback.

pub mod amazon;
pub mod browser;
pub mod calls;
pub mod chunked;
pub mod client;
mod config;
mod evidence;
pub mod fake_target;
pub mod gcs;
pub mod gcs_json;
pub mod gcs_uploads;
pub mod google;
pub mod keyed_target;
pub mod login_provider;
pub mod managers;
pub mod picky_target;
pub mod post_form;
pub mod raw;
pub mod transport;
pub mod world;

pub use client::{Answer, Client, Keys, Payload, Signed, form};
pub use world::{AUDIENCE, Settings, World, becomes, binary, now};
