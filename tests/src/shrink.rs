//! The smallest part of a failing list that fails as well.
//!
//! ```text
//!   ● ● ● ● ● ● ● ●   fails          leave out half: does it still fail?
//!   ● ● ● ●           holds          leave out the other half, then quarters, …
//!           ● ● ● ●   fails
//!             ●   ●   fails          until no single one can be left out
//! ```
//!
//! Delta debugging (Zeller and Hildebrandt, "Simplifying and isolating
//! failure-inducing input", 2002), reduced to leaving out.

/// So many times `fails` is asked, and then what has been reached will do.
const QUESTIONS: usize = 300;

/// A part of `items`, in their order, of which `fails` is true; `items` itself
/// at worst.
pub fn shrink<T: Clone>(items: &[T], fails: impl Fn(&[T]) -> bool) -> Vec<T> {
    let mut kept = items.to_vec();
    let mut chunk = kept.len().div_ceil(2).max(1);
    let mut questions = 0;
    loop {
        let mut begin = 0;
        while begin < kept.len() && questions < QUESTIONS {
            let end = (begin + chunk).min(kept.len());
            let without = [&kept[..begin], &kept[end..]].concat();
            questions += 1;
            // What was left out moved the next chunk to where this one was.
            if fails(&without) { kept = without } else { begin = end }
        }
        if chunk == 1 || questions == QUESTIONS {
            return kept;
        }
        chunk = chunk.div_ceil(2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_failure_needs_is_left() {
        let items: Vec<u32> = (0..100).collect();
        let fails = |items: &[u32]| items.contains(&17) && items.contains(&80);
        assert_eq!(shrink(&items, fails), [17, 80]);
    }

    #[test]
    fn what_fails_without_any_item_shrinks_to_nothing() {
        assert!(shrink(&[1, 2, 3], |_| true).is_empty());
    }
}
