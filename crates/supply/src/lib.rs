//! Where servers come from, and where they are (controls SC-01 and SC-02).
//!
//! [`verify`] tells whether an artefact is what somebody vouched for, and who that is. [`admit`] resolves, unpacks and
//! stores what a server is made of. [`advisories`] tells what is known against it, [`licence`] whether its licence is one that is taken, [`sbom`] what is in it. [`discover`] finds MCP
//! servers that run on this machine, by looking at processes and by asking sockets.

pub mod admit;
pub mod advisories;
pub mod discover;
mod document;
pub mod licence;
mod purl;
pub mod sbom;
pub mod verify;
