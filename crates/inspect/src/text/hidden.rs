//! Characters that are in a text but not on the screen, and what they are there for.

/// A family of hidden characters. The order is that of [`Hidden::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hidden {
    /// The tag block (U+E0000 to U+E007F) outside the flag of a region: a second alphabet nobody sees.
    Tags,
    /// Variation selectors that select nothing: bytes written as U+FE00 to U+FE0F and U+E0100 to U+E01EF.
    Selectors,
    /// Zero-width and other invisible characters between the letters of a word, or in runs.
    ZeroWidth,
    /// Overrides, embeddings and isolates of the reading direction around text that has only one.
    Direction,
    /// Terminal escape sequences and control characters.
    Control,
    /// Letters of different alphabets mixed within words so that they look like others.
    Lookalike,
    /// Half of a surrogate pair.
    Surrogate,
}

impl Hidden {
    /// Every family.
    pub const ALL: &'static [Self] = &[
        Self::Tags,
        Self::Selectors,
        Self::ZeroWidth,
        Self::Direction,
        Self::Control,
        Self::Lookalike,
        Self::Surrogate,
    ];

    /// The name in reasons and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tags => "tag characters",
            Self::Selectors => "variation selectors",
            Self::ZeroWidth => "zero-width characters",
            Self::Direction => "direction overrides",
            Self::Control => "control sequences",
            Self::Lookalike => "look-alike letters",
            Self::Surrogate => "lone surrogates",
        }
    }
}

/// Whether a character leaves nothing on the screen, whatever it does to its neighbours.
pub(crate) fn invisible(character: char) -> bool {
    tag(character) || selector(character) || zero_width(character) || turns(character)
}

pub(crate) fn tag(character: char) -> bool {
    matches!(character, '\u{E0000}'..='\u{E007F}')
}

pub(crate) fn selector(character: char) -> bool {
    matches!(character, '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}' | '\u{180B}'..='\u{180D}' | '\u{180F}')
}

/// Without width: joiners, fillers, invisible operators, soft hyphen, byte order mark, annotation marks.
pub(crate) fn zero_width(character: char) -> bool {
    matches!(
        character,
        '\u{00AD}'
            | '\u{034F}'
            | '\u{115F}'
            | '\u{1160}'
            | '\u{17B4}'
            | '\u{17B5}'
            | '\u{180E}'
            | '\u{200B}'..='\u{200D}'
            | '\u{2060}'..='\u{2065}'
            | '\u{206A}'..='\u{206F}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{FEFF}'
            | '\u{FFA0}'
            | '\u{FFF9}'..='\u{FFFB}'
            | '\u{1BCA0}'..='\u{1BCA3}'
            | '\u{1D173}'..='\u{1D17A}'
    )
}

/// Sets the direction of what follows, or marks a place as having one.
pub(crate) fn turns(character: char) -> bool {
    overrides(character) || matches!(character, '\u{061C}' | '\u{200E}' | '\u{200F}')
}

/// Embeds, overrides, isolates, or ends one of these.
pub(crate) fn overrides(character: char) -> bool {
    matches!(character, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Marks the letter before it.
pub(crate) fn combining(character: char) -> bool {
    character >= '\u{300}' && unicode_normalization::char::is_combining_mark(character)
        // Vowel signs of Indic scripts are letters to a reader.
        && !matches!(character as u32, 0x0900..=0x109F | 0x1780..=0x17FF)
}

/// Of a script that is read from right to left.
pub(crate) fn right_to_left(character: char) -> bool {
    matches!(character as u32, 0x0590..=0x08FF | 0xFB1D..=0xFDFF | 0xFE70..=0xFEFC | 0x1_0800..=0x1_0FFF | 0x1_E800..=0x1_EFFF)
}

/// Of a script whose spelling needs joiners and non-joiners: Arabic to Khmer, Mongolian.
pub(crate) fn joins(character: char) -> bool {
    matches!(character as u32, 0x0600..=0x08FF | 0x0900..=0x0DFF | 0x0E00..=0x109F | 0x1780..=0x18AF | 0xFB50..=0xFDFF | 0xFE70..=0xFEFC)
}

/// Shown as a picture, or a part of one.
pub(crate) fn pictured(character: char) -> bool {
    matches!(character as u32,
        0x23 | 0x2A | 0x30..=0x39 | 0xA9 | 0xAE | 0x203C | 0x2049 | 0x20E3 | 0x2100..=0x214F | 0x2190..=0x27BF
        | 0x2900..=0x297F | 0x2B00..=0x2BFF | 0x3030 | 0x303D | 0x3297 | 0x3299 | 0x1_F000..=0x1_FAFF)
}
