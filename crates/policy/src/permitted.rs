//! The proof.

use std::{ops::Deref, sync::Arc};

use portcullis_core::Call;

/// A subject whose call a policy permitted.
///
/// Only [`Authoriser::authorise`](crate::Authoriser::authorise) makes one, so a function that asks for it
/// cannot be reached without the decision:
///
/// ```compile_fail,E0451
/// fn forge<T>(subject: T) -> portcullis_policy::Permitted<T> {
///     portcullis_policy::Permitted { subject, policies: [].into() }
/// }
/// ```
///
/// It cannot be moved to another subject either, nor the subject changed inside it:
///
/// ```compile_fail,E0594
/// fn swap(mut permitted: portcullis_policy::Permitted<portcullis_core::Call>, other: portcullis_core::Call) {
///     *permitted = other;
/// }
/// ```
#[derive(Debug)]
pub struct Permitted<T> {
    subject: T,
    policies: Arc<[Arc<str>]>,
}

impl<T> Permitted<T> {
    pub(crate) fn new(subject: T, policies: Arc<[Arc<str>]>) -> Self {
        Self { subject, policies }
    }

    /// The policies that permitted it, in the order of their files; never empty.
    pub fn policies(&self) -> Arc<[Arc<str>]> {
        Arc::clone(&self.policies)
    }

    /// Gives up the proof.
    pub fn into_inner(self) -> T {
        self.subject
    }
}

impl<T> Deref for Permitted<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.subject
    }
}

impl<T: AsRef<Call>> AsRef<Call> for Permitted<T> {
    fn as_ref(&self) -> &Call {
        self.subject.as_ref()
    }
}
