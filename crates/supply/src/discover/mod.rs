//! MCP servers that run on this machine, known or not (control SC-02).
//!
//! Processes are looked at and never touched. Sockets are asked with one request that changes nothing at a server
//! (`server/discover`, or the opening of an SSE stream that is closed again), under a limit of their number and pace.

mod evidence;
mod executable;
mod listening;
mod probe;
mod process;
mod stdio;

pub use executable::{Executable, Executables};
pub use listening::{Listener, Where, listeners};
pub use probe::{Answer, Pace, Speaks, ask, ask_all};
pub use process::{Process, Processes, Stream};
pub use stdio::{StdioServer, stdio_servers};
