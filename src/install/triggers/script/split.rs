//! Where statements end.

use super::lexer::{Kind, Token};

/// For each statement, the number of tokens up to and with its semicolon. Parentheses may hold
/// semicolons (`create rule`), and so may `begin atomic … end`.
pub(super) fn ends(text: &str, tokens: &[Token]) -> Vec<usize> {
    let mut ends = Vec::new();
    let (mut parentheses, mut blocks) = (0_usize, 0_usize);
    for (index, token) in tokens.iter().enumerate() {
        let word = &text[token.span.clone()];
        let is = |wanted: &str| token.kind == Kind::Word && word.eq_ignore_ascii_case(wanted);
        match word {
            "(" => parentheses += 1,
            ")" => parentheses = parentheses.saturating_sub(1),
            ";" if parentheses == 0 && blocks == 0 => ends.push(index + 1),
            _ if is("atomic") && follows(text, tokens, index, "begin") => blocks += 1,
            _ if is("case") && blocks > 0 => blocks += 1,
            _ if is("end") => blocks = blocks.saturating_sub(1),
            _ => {}
        }
    }
    if ends.last().copied().unwrap_or(0) < tokens.len() {
        ends.push(tokens.len());
    }
    ends
}

fn follows(text: &str, tokens: &[Token], index: usize, wanted: &str) -> bool {
    let before = index.checked_sub(1).and_then(|before| tokens.get(before));
    before.is_some_and(|before| text[before.span.clone()].eq_ignore_ascii_case(wanted))
}
