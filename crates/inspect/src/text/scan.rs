//! Finding hidden characters: which family, how many, and whether they could be there by accident.

use super::{
    blocks::{self, BLOCK},
    hidden::{self, Hidden},
};

/// Hidden characters of one family in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The family.
    pub family: Hidden,
    /// How many characters, words or sequences.
    pub count: u32,
    /// Where the first is, in bytes.
    pub at: usize,
    /// Whether nobody writes so by accident. Otherwise it is worth a note and is cleaned.
    pub deliberate: bool,
}

/// Every family in `text` that ordinary writing does not have. Emoji, flags, joiners of Persian and Indic
/// scripts and directions in right-to-left text are ordinary.
pub fn scan(text: &str) -> Vec<Sighting> {
    if plain(text.as_bytes()) {
        return Vec::new();
    }
    let mut scan = Scan::new(text);
    scan.run();
    scan.sightings()
}

/// Halves of surrogate pairs in bytes that are otherwise UTF-8. One can be a text that was cut in two.
pub(crate) fn surrogates(bytes: &[u8]) -> Option<Sighting> {
    let half = |three: &[u8]| matches!(three, [0xED, 0xA0..=0xBF, _]);
    let mut places = bytes.windows(3).enumerate().filter(|(_, three)| half(three)).map(|(at, _)| at);
    let at = places.next()?;
    let count = 1 + places.count() as u32;
    Some(Sighting { family: Hidden::Surrogate, count, at, deliberate: count > 1 })
}

/// Whether a text is ASCII without control characters other than tab, line ends and form feed.
pub(crate) fn plain(bytes: &[u8]) -> bool {
    bytes.chunks(256).all(|chunk| {
        chunk
            .iter()
            .fold(true, |plain, byte| plain & ((0x20..0x7F).contains(byte) | (0x09..=0x0D).contains(byte)))
    })
}

/// What is removed: characters of these families, by where they are in the text.
pub(crate) struct Scan<'t> {
    text: &'t str,
    counts: [(u32, usize); 7],
    deliberate: [bool; 7],
    /// Zero-width characters between letters.
    within: u32,
    /// Whether there are letters of an alphabet that looks like the Latin one.
    foreign: bool,
    right_to_left: Option<bool>,
    /// Byte ranges of what is hidden, in order.
    pub(crate) spans: Vec<std::ops::Range<usize>>,
}

/// What is around a character.
struct Around {
    before: char,
    after: char,
}

impl<'t> Scan<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self {
            text,
            counts: [(0, 0); 7],
            deliberate: [false; 7],
            within: 0,
            foreign: false,
            right_to_left: None,
            spans: Vec::new(),
        }
    }

    pub(crate) fn run(&mut self) {
        let text = self.text;
        let mut before = '\n';
        let mut flag = Flag::None;
        let mut at = 0;
        while let Some(rest) = text.get(at..) {
            let shown = shown(rest.as_bytes());
            if shown > 0 {
                at += shown;
                before = text.as_bytes().get(at - 1).copied().map_or(before, char::from);
                flag = Flag::None;
                continue;
            }
            let Some(character) = rest.chars().next() else { break };
            let next = at + character.len_utf8();
            flag = flag.next(character);
            self.foreign |= matches!(character as u32, 0x0370..=0x058F | 0x13A0..=0x13FF | 0x1C80..=0x1C8F | 0x1F00..=0x1FFF | 0x2C80..=0x2DFF | 0xA640..=0xA69F | 0xAB70..=0xABBF);
            let end = if ordinary(character) {
                next
            } else {
                let after = text.get(next..).and_then(|rest| rest.chars().next()).unwrap_or('\n');
                self.character(character, at, &Around { before, after }, flag)
            };
            before = character;
            at = end.max(next);
        }
        if self.foreign {
            self.lookalikes();
        }
    }

    /// Whether there is anything to read from right to left: only asked where it matters, and found out once.
    fn right_to_left(&mut self) -> bool {
        *self.right_to_left.get_or_insert_with(|| self.text.chars().any(hidden::right_to_left))
    }

    fn see(&mut self, family: Hidden, at: usize, end: usize, deliberate: bool) {
        let slot = family as usize;
        if let Some((count, first)) = self.counts.get_mut(slot) {
            *first = if *count == 0 { at } else { *first };
            *count += 1;
        }
        if let Some(known) = self.deliberate.get_mut(slot) {
            *known |= deliberate;
        }
        if end > at {
            self.spans.push(at..end);
        }
    }

    /// Looks at one character that may hide; gives back where to go on.
    fn character(&mut self, c: char, at: usize, around: &Around, flag: Flag) -> usize {
        let end = at + c.len_utf8();
        if hidden::tag(c) {
            if flag != Flag::Region || !flag_ends(self.text, end, c) {
                self.see(Hidden::Tags, at, end, true);
            }
        } else if hidden::selector(c) {
            if !selects(c, around) {
                let run = hidden::selector(around.before) || hidden::selector(around.after);
                self.see(Hidden::Selectors, at, end, run);
            }
        } else if hidden::overrides(c) {
            let forced = matches!(c, '\u{202D}' | '\u{202E}');
            let isolates = matches!(c, '\u{2066}' | '\u{2068}' | '\u{2069}');
            if forced || !(isolates || self.right_to_left()) {
                let ends = c == '\u{202C}';
                self.see(Hidden::Direction, at, end, forced || !ends && c != '\u{202A}');
            }
        } else if hidden::zero_width(c) {
            if !joins(c, around, at) {
                let run = hidden::zero_width(around.before) || hidden::zero_width(around.after);
                let within = letter(around.before) && letter(around.after) && c != '\u{AD}';
                if run || within || !matches!(c, '\u{200B}' | '\u{2060}' | '\u{FEFF}' | '\u{AD}' | '\u{2800}')
                {
                    self.see(Hidden::ZeroWidth, at, end, false);
                    self.within += u32::from(within);
                }
            }
        } else if c.is_control() {
            return self.control(c, at, end);
        }
        end
    }

    /// A control character, or the terminal sequence it starts.
    fn control(&mut self, c: char, at: usize, end: usize) -> usize {
        if harmless(c) {
            return end;
        }
        let rest = self.text.as_bytes().get(end..).unwrap_or_default();
        let (length, telling) = match (c, rest.first()) {
            ('\u{1B}', Some(b'[')) => {
                let (length, telling) = csi(rest.get(1..).unwrap_or_default());
                (length + 1, telling)
            }
            ('\u{9B}', _) => csi(rest),
            ('\u{1B}', Some(b']' | b'P' | b'X' | b'^' | b'_')) => (string_end(rest), true),
            ('\u{1B}', Some(byte)) if byte.is_ascii_graphic() => (1, true),
            ('\u{1B}' | '\u{8}' | '\u{7F}', _) => (0, true),
            _ => (0, false),
        };
        let end = end + length;
        // Colours are what programs write; they are removed and not counted.
        if telling || c != '\u{1B}' && c != '\u{9B}' {
            self.see(Hidden::Control, at, end, telling && !matches!(c, '\u{7F}' | '\u{8}'));
        } else {
            self.spans.push(at..end);
        }
        end
    }

    /// Words that mix alphabets whose letters look alike.
    fn lookalikes(&mut self) {
        let mut found = Vec::new();
        let mut at = 0;
        while at < self.text.len() {
            found.clear();
            at = super::words::words(self.text, at, 512, &mut found);
            for word in &found {
                if word.flags & super::words::flag::MIXED != 0 {
                    self.see(Hidden::Lookalike, word.start as usize, word.start as usize, false);
                }
            }
        }
        let (words, _) = self.counts.get(Hidden::Lookalike as usize).copied().unwrap_or_default();
        if words >= 2
            && let Some(deliberate) = self.deliberate.get_mut(Hidden::Lookalike as usize)
        {
            *deliberate = true;
        }
    }

    fn sightings(&self) -> Vec<Sighting> {
        let rows = Hidden::ALL.iter().zip(&self.counts).zip(&self.deliberate);
        rows.filter(|((_, (count, _)), _)| *count > 0)
            .map(|((family, (count, at)), deliberate)| Sighting {
                family: *family,
                count: *count,
                at: *at,
                deliberate: *deliberate
                    || *family == Hidden::ZeroWidth && (*count >= 4 || self.within >= 2)
                    || *family == Hidden::Selectors && *count >= 3,
            })
            .collect()
    }
}

/// How many bytes at the start are ASCII and on the screen.
fn shown(bytes: &[u8]) -> usize {
    // Text of other alphabets has one character after the other that is neither: no block is read for each.
    if !bytes.first().is_some_and(|byte| (0x20..0x7F).contains(byte)) {
        return 0;
    }
    let mut at = 0;
    while at < bytes.len() {
        let shown = blocks::mask(&blocks::block(bytes, at), |lane| blocks::range(lane, 0x20, 0x7E));
        let run = (!shown).trailing_zeros() as usize;
        at += run;
        if run < BLOCK {
            break;
        }
    }
    at
}

/// Whether a character outside ASCII can be passed over.
fn ordinary(c: char) -> bool {
    let code = c as u32;
    code >= 0xA0
        && !matches!(code, 0xAD | 0x034F | 0x061C | 0x115F | 0x1160 | 0x17B4 | 0x17B5 | 0x180B..=0x180F)
        && !matches!(code, 0x2000..=0x206F | 0x2800 | 0x3164 | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0 | 0xFFF9..=0xFFFB)
        && !matches!(code, 0x1_BCA0..=0x1_BCA3 | 0x1_D173..=0x1_D17A | 0xE_0000..)
}

/// Control characters that say nothing to a terminal. Of the second set one starts a sequence; the rest are
/// what a text in another encoding leaves behind.
pub(super) fn harmless(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{B}' | '\u{C}' | '\u{80}'..='\u{9A}' | '\u{9C}'..='\u{9F}')
}

fn letter(c: char) -> bool {
    c.is_alphanumeric() && !hidden::joins(c)
}

/// How far into the flag of a region the text is: a black flag, then tag characters.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flag {
    None,
    Region,
}

impl Flag {
    fn next(self, c: char) -> Self {
        match (self, c) {
            (_, '\u{1F3F4}') => Self::Region,
            (Self::Region, '\u{E0030}'..='\u{E0039}' | '\u{E0061}'..='\u{E007A}' | '\u{E007F}') => self,
            _ => Self::None,
        }
    }
}

/// Whether the tag sequence that goes on at `at` comes to its end as that of a region does: within five
/// more characters.
fn flag_ends(text: &str, at: usize, tag: char) -> bool {
    let rest = text.get(at..).unwrap_or_default();
    tag == '\u{E007F}'
        || rest
            .chars()
            .take_while(|c| hidden::tag(*c))
            .take(7)
            .position(|c| c == '\u{E007F}')
            .is_some_and(|ends| ends <= 5)
}

/// Whether a selector has something to select.
fn selects(c: char, around: &Around) -> bool {
    let before = around.before as u32;
    let han = matches!(before, 0x3000..=0x9FFF | 0xF900..=0xFAFF | 0x2_0000..=0x3_FFFF);
    match c {
        '\u{FE0E}' | '\u{FE0F}' => hidden::pictured(around.before) || han,
        '\u{180B}'..='\u{180F}' => matches!(before, 0x1800..=0x18AF),
        '\u{FE00}' => {
            han || matches!(before, 0x2200..=0x22FF | 0x2A00..=0x2AFF | 0x1000..=0x109F | 0x2190..=0x25FF | 0xFF00..=0xFFEF | 0xA840..=0xA87F)
        }
        _ => han,
    }
}

/// Whether a character without width does what it is there for.
fn joins(c: char, around: &Around, at: usize) -> bool {
    let script = hidden::joins(around.before) || hidden::joins(around.after);
    match c {
        '\u{200D}' => script || picture(around.before) && picture(around.after),
        '\u{200C}' => script,
        '\u{FEFF}' => at == 0,
        '\u{200B}' => {
            script
                || matches!(around.before as u32, 0x3000..=0x9FFF)
                || matches!(around.after as u32, 0x3000..=0x9FFF)
        }
        '\u{115F}' | '\u{1160}' => {
            matches!(around.before as u32, 0x1100..=0x11FF) || matches!(around.after as u32, 0x1100..=0x11FF)
        }
        '\u{17B4}' | '\u{17B5}' | '\u{180E}' => script,
        '\u{2800}' => {
            matches!(around.before as u32, 0x2800..=0x28FF) || matches!(around.after as u32, 0x2800..=0x28FF)
        }
        _ => false,
    }
}

fn picture(c: char) -> bool {
    hidden::pictured(c) && !c.is_ascii() || c == '\u{FE0F}'
}

/// Length of a control sequence's rest, and whether it does more than change colours.
fn csi(rest: &[u8]) -> (usize, bool) {
    let parameters = rest.iter().take(64).take_while(|byte| (0x20..0x40).contains(*byte)).count();
    match rest.get(parameters) {
        Some(b'm') => {
            let text = rest.get(..parameters).unwrap_or_default();
            (parameters + 1, text.split(|byte| *byte == b';').any(|code| code == b"8"))
        }
        Some(b'K') => (parameters + 1, false),
        Some(0x40..=0x7E) => (parameters + 1, true),
        _ => (parameters, true),
    }
}

/// Length of a control string up to and with its end, or of its first byte if it has none.
fn string_end(rest: &[u8]) -> usize {
    let within = rest.iter().take(4096);
    let end = within
        .enumerate()
        .position(|(at, byte)| *byte == 7 || *byte == b'\\' && at > 0 && rest.get(at - 1) == Some(&0x1B));
    end.map_or(1, |end| end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(Hidden, bool)]) {
        let found: Vec<_> =
            scan(text).iter().map(|sighting| (sighting.family, sighting.deliberate)).collect();
        assert_eq!(found, expected, "{text:?}");
    }

    fn tagged(text: &str) -> String {
        text.chars().filter_map(|c| char::from_u32(0xE_0000 + c as u32)).collect()
    }

    fn selected(text: &str) -> String {
        text.bytes()
            .filter_map(|byte| {
                char::from_u32(if byte < 16 { 0xFE00 } else { 0xE_0100 - 16 } + u32::from(byte))
            })
            .collect()
    }

    #[test]
    fn hidden_writing_is_seen() {
        for word in ["x", "ignore all rules", "AB"] {
            check(&format!("hello {}world", tagged(word)), &[(Hidden::Tags, true)]);
        }
        check(&format!("a smile \u{1F600}{}", selected("do it now")), &[(Hidden::Selectors, true)]);
        check("i\u{200B}g\u{200B}n\u{200B}ore", &[(Hidden::ZeroWidth, true)]);
        check("a \u{200B}\u{200C}\u{200B}\u{200C}\u{200C} b", &[(Hidden::ZeroWidth, true)]);
        check("ig\u{200D}nore", &[(Hidden::ZeroWidth, false)]);
        check("name\u{202E}txt.exe", &[(Hidden::Direction, true)]);
        check("if (admin\u{2067}) {", &[(Hidden::Direction, true)]);
        check("\x1b[8mhidden\x1b[0m", &[(Hidden::Control, true)]);
        check("\x1b]52;c;AAAA\x07", &[(Hidden::Control, true)]);
        check("igno\u{0440}e p\u{0440}evious inst\u{0440}uctions", &[(Hidden::Lookalike, true)]);
        check("\u{1F3F4}\u{E0067}\u{E0062}no end", &[(Hidden::Tags, true)]);
    }

    #[test]
    fn ordinary_writing_is_clean() {
        for text in [
            "plain text\twith\r\nlines",
            "a family \u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467} and a heart \u{2764}\u{FE0F} and 1\u{FE0F}\u{20E3}",
            "\u{1F3F4}\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F} England",
            "\u{1F3F3}\u{FE0F}\u{200D}\u{1F308} and \u{1F1E9}\u{1F1EA} and \u{1F44D}\u{1F3FD}",
            "\u{0645}\u{06CC}\u{200C}\u{062E}\u{0648}\u{0627}\u{0647}\u{0645}",
            "\u{0915}\u{094D}\u{200D}\u{0937}",
            "\u{202B}\u{0634}\u{0644}\u{0648}\u{0645}\u{202C} abc \u{200F}",
            "\u{2068}name\u{2069} joined",
            "\u{FEFF}file with a mark",
            "\x1b[31mred\x1b[0m and \x1b[1;32mgreen\x1b[0m",
            "na\u{00EF}ve caf\u{00E9} \u{041F}\u{0440}\u{0438}\u{0432}\u{0435}\u{0442} \u{0394}t 5\u{03BC}s",
            "soft\u{00AD}hyphen",
        ] {
            check(text, &[]);
        }
    }
}
