//! The chat bot's side of the service, over a real NATS server: what each message does, and that
//! nothing is lost, done twice or out of order, whatever dies meanwhile.

#![expect(clippy::unwrap_used, reason = "a test ends where its ground is missing")]

mod bus;
mod chat;
#[cfg(target_os = "linux")]
mod clock;
mod crash;
// Only Linux gives a process a disk of its own.
#[cfg(target_os = "linux")]
mod disk;
mod events;
mod hostile;
mod leader;
mod malformed;
mod order;
mod outage;
mod refused;
mod replica;
mod requests;
mod rosey;
mod shutdown;
mod silence;
mod stage;
mod start;
mod stream;
mod waits;
