//! The built binary with a real store and a real identity provider behind it, all on loopback.

pub mod client;
pub mod world;

pub use client::{Answer, Client, Keys, Payload, Signed};
pub use world::{Settings, World};
