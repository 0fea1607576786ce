//! Tokens in the path of DoH: a file of lines `VPC TOKEN`, read at the start. Empty lines and those with `#` say nothing.

use std::path::Path;

use crate::config::Settings;
use crate::naming::VpcId;
use crate::problem::{Place, Problem};
use crate::secret_file::{self, LEAST_TOKEN};
use crate::serve::DohTokens;

/// Those of the settings; none where nobody can come with one.
pub(super) fn of(settings: &Settings) -> Result<DohTokens, Vec<Problem>> {
    let path = settings.doh_tokens.as_deref().filter(|_| !settings.https.is_empty());
    path.map_or_else(|| Ok(DohTokens::new()), read)
}

/// The tokens in the file at `path`.
fn read(path: &Path) -> Result<DohTokens, Vec<Problem>> {
    parse(&path.display().to_string(), &secret_file::read_owners_only(path, "--doh-tokens", "the tokens")?)
}

fn parse(label: &str, text: &str) -> Result<DohTokens, Vec<Problem>> {
    let (mut tokens, mut problems) = (DohTokens::new(), Vec::new());
    let lines = (1..).zip(text.lines()).map(|(number, line)| (number, line.trim()));
    for (number, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        let mut wrong = |what: String, hint: &str| {
            problems.push(Problem::error(Place::whole(format!("{label}:{number}")), what, hint));
        };
        let Some((vpc, token)) = line.split_once(char::is_whitespace) else {
            wrong("a line has a VPC id and a token".to_owned(), "such as: vpc-ec43eb89 TOKEN");
            continue;
        };
        let Ok(id) = vpc.parse::<VpcId>() else {
            wrong(format!("'{vpc}' is not a valid VPC id"), "such as vpc-ec43eb89");
            continue;
        };
        let token = token.trim();
        // what stands in a path as it is (RFC 3986 2.3)
        let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-._~".contains(&octet);
        if token.len() < LEAST_TOKEN || !token.bytes().all(is_plain) || token.parse::<VpcId>().is_ok() {
            let hint = "`head -c 24 /dev/urandom | basenc --base64url` makes one";
            wrong(format!("a token has at least {LEAST_TOKEN} letters, digits, '-', '.', '_' and '~'"), hint);
        } else if tokens.insert(token.to_owned(), id).is_some() {
            wrong("the same token stands in an earlier line".to_owned(), "give each line a token of its own");
        }
    }
    if problems.is_empty() { Ok(tokens) } else { Err(problems) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_has_a_vpc_and_a_token_of_its_own() {
        let good = "# laptops\nvpc-ec43eb89  abcdefghij-klmno_p~\n\nvpc-00000002\tAAAAAAAAAAAAAAAA\n";
        let tokens = parse("tokens", good).unwrap();
        assert_eq!(tokens.len(), 2);
        assert_eq!(tokens["AAAAAAAAAAAAAAAA"].to_string(), "vpc-00000002");
        for (line, what) in [
            ("vpc-ec43eb89", "a line has a VPC id and a token"),
            ("subnet-ec43eb89 AAAAAAAAAAAAAAAA", "'subnet-ec43eb89' is not a valid VPC id"),
            ("vpc-ec43eb89 short", "a token has at least"),
            ("vpc-ec43eb89 AAAAAAAAAAAAAAAA/x", "a token has at least"),
            ("vpc-ec43eb89 vpc-0123456789abcdef0", "a token has at least"),
            ("vpc-ec43eb89 AAAAAAAAAAAAAAAA\nvpc-ec43eb89 AAAAAAAAAAAAAAAA", "the same token"),
        ] {
            let problems = parse("tokens", line).unwrap_err();
            let said = problems[0].to_string();
            assert!(said.starts_with(&format!("tokens:{}: error: {what}", line.lines().count())), "{said}");
        }
    }
}
