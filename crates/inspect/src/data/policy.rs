//! Classes of data, and what is done about each by direction.

use portcullis_core::Secret;

macro_rules! classes {
    ($($variant:ident $name:literal $request:ident $result:ident $about:literal;)+) => {
        /// What kind of secret or personal data something is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum DataClass { $(#[doc = $about] $variant,)+ }

        impl DataClass {
            /// Every class.
            pub const ALL: [Self; 9] = [$(Self::$variant),+];

            /// The name in settings.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }

        const REQUESTS: [DataAction; 9] = [$(DataAction::$request),+];
        const RESULTS: [DataAction; 9] = [$(DataAction::$result),+];
    };
}

// What callers send to a tool is often meant for it, so only what opens other doors is stopped; what a server hands
// out that opens doors is never needed by a model.
classes! {
    PrivateKey "private_key" Refuse Redact "private keys in PEM, age and PuTTY form";
    CloudKey "cloud_key" Refuse Redact "keys of cloud accounts";
    Token "token" Note Redact "API keys and access tokens that say whose they are";
    Jwt "jwt" Note Redact "JSON Web Tokens";
    Password "password" Note Redact "passwords in URLs, and random values that are called a password, secret, token or key";
    Card "card" Note Note "numbers of payment cards (Luhn)";
    Iban "iban" Note Note "bank account numbers (ISO 13616 check digits)";
    NationalId "national_id" Note Note "numbers of persons with a form or check digits of their own: US SSN, Spanish DNI and NIE, French NIR, Italian codice fiscale, Brazilian CPF, Indian Aadhaar";
    Canary "canary" Refuse Refuse "words of `canaries`, which nobody has a reason to send";
}

/// What is done about data, from nothing to the strongest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DataAction {
    /// Nothing.
    Pass,
    /// It is recorded what was found, and where.
    Note,
    /// A word is put in its place for which it is put back where its caller sends the word to the server it is from.
    Tokenise,
    /// A word for what it was is put in its place, and nothing else is kept of it.
    Redact,
    /// The message goes no further.
    Refuse,
}

impl DataAction {
    /// Every action, the weakest first.
    pub const ALL: [Self; 5] = [Self::Pass, Self::Note, Self::Tokenise, Self::Redact, Self::Refuse];

    /// The name in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "passed",
            Self::Note => "noted",
            Self::Tokenise => "tokenised",
            Self::Redact => "redacted",
            Self::Refuse => "refused",
        }
    }
}

/// One action a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataRow([DataAction; DataClass::ALL.len()]);

impl DataRow {
    /// What is done about a class.
    pub fn on(&self, class: DataClass) -> DataAction {
        self.0.get(class as usize).copied().unwrap_or(DataAction::Refuse)
    }

    /// The same with another action for a class.
    #[must_use]
    pub fn with(mut self, class: DataClass, action: DataAction) -> Self {
        if let Some(own) = self.0.get_mut(class as usize) {
            *own = action;
        }
        self
    }

    /// The same action for every class.
    pub fn all(action: DataAction) -> Self {
        Self([action; DataClass::ALL.len()])
    }

    pub(crate) fn is_off(&self) -> bool {
        *self == Self::all(DataAction::Pass)
    }
}

/// What is done about data in each direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataPolicy {
    /// In what callers send.
    pub requests: DataRow,
    /// In what servers send.
    pub results: DataRow,
}

impl Default for DataPolicy {
    fn default() -> Self {
        Self { requests: DataRow(REQUESTS), results: DataRow(RESULTS) }
    }
}

/// Words that nobody has a reason to send. Shown as their number.
#[derive(Clone, Default)]
pub struct Canaries(Vec<Secret>);

/// The shortest canary, in bytes: a shorter one would be found by chance.
pub const SHORTEST_CANARY: usize = 8;

impl Canaries {
    /// Words of which each has [`SHORTEST_CANARY`] bytes at least; shorter ones are left out.
    pub fn new(words: impl IntoIterator<Item = Secret>) -> Self {
        Self(words.into_iter().filter(|word| word.expose().len() >= SHORTEST_CANARY).collect())
    }

    /// `text` without them.
    pub(super) fn masked(&self, text: String) -> String {
        let words = self.words().filter_map(|word| std::str::from_utf8(word).ok());
        words.fold(text, |text, word| if text.contains(word) { text.replace(word, "[canary]") } else { text })
    }

    pub(super) fn words(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(Secret::expose)
    }
}

impl std::fmt::Debug for Canaries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} canaries", self.0.len())
    }
}
