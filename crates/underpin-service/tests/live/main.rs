//! What happens in projects, told as it happens: on both dialects, by WebSocket and by server-sent events.

#![expect(clippy::unwrap_used, reason = "a test ends where its ground is missing")]

mod client;
mod elsewhere;
mod put_aside;
mod refused;
mod replicas;
mod resume;
#[path = "../common/service.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod service;
mod shutdown;
mod sockets;
mod stream;
