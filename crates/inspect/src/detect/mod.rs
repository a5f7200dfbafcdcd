//! Injection detection: does a text give orders to the model that reads it.
//!
//! Hidden characters are found, encodings undone, and every view of the text is scored by rules and a linear
//! model over its windows. The highest view counts; hidden writing only ever raises it. Detection adds
//! refusals and labels and is never what an allowance rests on.

mod assess;
mod features;
mod lexicon;
mod model;
mod policy;
mod rules;
mod surface;
pub mod training;

pub use assess::{Action, Assessment, Level, Reason, assess, assess_bytes};
pub(crate) use features::{Hints, Sign};
pub use model::{Kind, Model, Thresholds, model, version_of};
pub use policy::{ContentPolicy, SurfacePolicy};
pub use surface::{NoSurface, TextSurface};
