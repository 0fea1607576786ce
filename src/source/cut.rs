//! A TOML text without some of its tables.
//!
//! Works on lines, so that all else stays as people wrote it. What it made is to be read back before it is used.

use std::collections::BTreeSet;

/// The text without the tables whose headers (`[[vpc]]`) are on these lines, counted from 1, and the comments that stand
/// right above them; `None` if one of the lines has no such header.
pub fn without_tables(text: &str, headers: &BTreeSet<u32>) -> Option<String> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let starts: Vec<usize> = (0..lines.len()).filter(|at| lines.get(*at).is_some_and(|line| is_header(line))).collect();
    let mut cut: BTreeSet<usize> = BTreeSet::new();
    for header in headers {
        let start = (*header as usize).checked_sub(1).filter(|start| starts.contains(start))?;
        let next = starts.iter().copied().find(|other| *other > start).unwrap_or(lines.len());
        // the comments above the next table are the next one's
        let end = if next < lines.len() { above(&lines, next) } else { next };
        cut.extend(above(&lines, start)..end);
    }
    let kept = lines.iter().enumerate().filter(|(at, _)| !cut.contains(at)).map(|(_, line)| *line);
    Some(kept.collect())
}

/// Whether a line begins a table of its own: one within it has a full stop in its name.
fn is_header(line: &str) -> bool {
    let name = line.trim_start().strip_prefix('[').map(|rest| rest.trim_start_matches('[').trim_start());
    let name = name.and_then(|rest| rest.split_once(']')).map(|(name, _)| name.trim_end());
    name.is_some_and(|name| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    })
}

/// The first of the comment lines right above a line.
fn above(lines: &[&str], line: usize) -> usize {
    let before = lines.get(..line).unwrap_or_default().iter().rev();
    line - before.take_while(|line| line.trim_start().starts_with('#')).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_go_with_their_comments_and_inner_tables() {
        let text = "# all of it\n\n# the first\n[[vpc]]\nvpc_id = \"a\"\n\n# the second\n# indeed\n[[vpc]]\nlist = [\n  [\"x\"],\n]\n[[vpc.inner]]\n[vpc.more]\na = 1\n[[subnet]]\nb = 2";
        let cut = |lines: &[u32]| without_tables(text, &lines.iter().copied().collect());
        assert_eq!(
            cut(&[4]).unwrap(),
            "# all of it\n\n# the second\n# indeed\n[[vpc]]\nlist = [\n  [\"x\"],\n]\n[[vpc.inner]]\n[vpc.more]\na = 1\n[[subnet]]\nb = 2"
        );
        assert_eq!(cut(&[9]).unwrap(), "# all of it\n\n# the first\n[[vpc]]\nvpc_id = \"a\"\n\n[[subnet]]\nb = 2");
        assert_eq!(cut(&[4, 9, 16]).unwrap(), "# all of it\n\n");
        assert_eq!(cut(&[]).unwrap(), text);
        assert_eq!(cut(&[5]), None, "no header");
        assert_eq!(cut(&[13]), None, "one within another");
        assert_eq!(cut(&[99]), None);
    }
}
