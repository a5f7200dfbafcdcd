//! The ways in. Each checks what only its transport knows, proves who asks, and hands the rest to the
//! spine.

pub mod http;
pub mod stdio;
