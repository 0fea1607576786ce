//! Lines to assertions.
//!
//! `from CLIENT NAME [TYPE] EXPECTED`, with `#` before a comment. The type is A where it is left out.

use super::{AssertedClient, Assertion, Expected};
use crate::dns::{DnsName, Rtype};
use crate::problem::{Fault, FileName, Place, Problem, nearest};

/// The words that an expectation can be, besides `= DATA...`.
const WORDS: [(&str, Expected); 7] = [
    ("private", Expected::Private),
    ("public", Expected::Public),
    ("nodata", Expected::NoData),
    ("nxdomain", Expected::Rcode("NXDOMAIN")),
    ("servfail", Expected::Rcode("SERVFAIL")),
    ("refused", Expected::Rcode("REFUSED")),
    ("noerror", Expected::Rcode("NOERROR")),
];
/// What a whole line looks like, for hints.
const EXAMPLE: &str = "write a line such as: from 10.0.1.5 ec2.us-east-1.amazonaws.com A = 10.0.1.18 10.0.1.82";

/// The assertions of a text, and what is wrong with its other lines.
pub fn parse(file: &FileName, text: &str) -> (Vec<Assertion>, Vec<Problem>) {
    let (mut assertions, mut problems) = (Vec::new(), Vec::new());
    for (number, line) in (1u32..).zip(text.lines()) {
        let words: Vec<&str> = line.split_whitespace().take_while(|word| !word.starts_with('#')).collect();
        if words.is_empty() {
            continue;
        }
        let place = Place { file: file.clone(), line: number, column: 0 };
        match assertion(&words, &place) {
            Ok(assertion) => assertions.push(assertion),
            Err(Fault { what, hint }) => problems.push(Problem::error(place, what, hint)),
        }
    }
    (assertions, problems)
}

fn fault<T>(what: impl Into<String>, hint: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::new(what, hint))
}

fn assertion(words: &[&str], place: &Place) -> Result<Assertion, Fault> {
    let ["from", rest @ ..] = words else {
        return fault(format!("the line begins with '{}', not with 'from'", words.first().unwrap_or(&"")), EXAMPLE);
    };
    let (from, rest) = client(rest)?;
    let [name, rest @ ..] = rest else { return fault("the name is missing", EXAMPLE) };
    check_name(name)?;
    let (rtype, rest) = rtype(rest)?;
    Ok(Assertion { place: place.clone(), from, name: (*name).to_owned(), rtype, expected: expected(rest)? })
}

fn client<'w, 't>(words: &'w [&'t str]) -> Result<(AssertedClient, &'w [&'t str]), Fault> {
    match words {
        [every, vpc, rest @ ..] if every.eq_ignore_ascii_case("every") && vpc.eq_ignore_ascii_case("vpc") => {
            Ok((AssertedClient::EveryVpc, rest))
        }
        [word, rest @ ..] => {
            let address = word.parse().map(AssertedClient::Address).ok();
            let vpc = || word.parse().map(AssertedClient::Vpc).ok();
            match address.or_else(vpc) {
                Some(client) => Ok((client, rest)),
                None => fault(
                    format!("'{word}' is not a client"),
                    "name one by its address (10.0.1.5), by its VPC (vpc-ec43eb89), or write 'every vpc'",
                ),
            }
        }
        [] => fault("the client is missing", EXAMPLE),
    }
}

fn check_name(name: &str) -> Result<(), Fault> {
    // a label that a made-up one will stand in for is as good as any
    let Err(error) = resolve_name(name, "x").parse::<DnsName>() else { return Ok(()) };
    fault(format!("'{name}' is not a domain name: {error}"), "names go without a scheme, port or path")
}

/// `name` with `label` in place of a first label `*`.
pub fn resolve_name(name: &str, label: &str) -> String {
    match name.strip_prefix("*.") {
        Some(parent) => format!("{label}.{parent}"),
        None => name.to_owned(),
    }
}

fn rtype<'w, 't>(words: &'w [&'t str]) -> Result<(Rtype, &'w [&'t str]), Fault> {
    let [word, rest @ ..] = words else { return fault("the expectation is missing", hint()) };
    if *word == "=" || is_word(word) {
        return Ok((Rtype::A, words));
    }
    match word.parse() {
        Ok(rtype) => Ok((rtype, rest)),
        Err(_) => fault(
            format!("'{word}' is neither a record type nor an expectation{}", meant(word)),
            format!("types are A, AAAA, HTTPS, ...; {}", hint()),
        ),
    }
}

fn is_word(word: &str) -> bool {
    WORDS.iter().any(|(known, _)| known.eq_ignore_ascii_case(word))
}

fn expected(words: &[&str]) -> Result<Expected, Fault> {
    match words {
        [] => fault("the expectation is missing", hint()),
        ["="] => fault("'=' is followed by nothing", "name the record data, or write nodata"),
        ["=", data @ ..] => Ok(Expected::Records(data.iter().map(|data| normal(data)).collect())),
        [word] => match WORDS.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(word)) {
            Some((_, expected)) => Ok(expected),
            None => fault(format!("'{word}' is not an expectation{}", meant(word)), hint()),
        },
        [first, more, ..] => fault(format!("'{more}' follows '{first}', which ends the line"), hint()),
    }
}

/// Record data as it is compared: names in lower case and without a final dot, addresses in their shortest form.
pub(super) fn normal(data: &str) -> String {
    match data.parse::<std::net::IpAddr>() {
        Ok(address) => address.to_string(),
        Err(_) => data.strip_suffix('.').filter(|data| !data.is_empty()).unwrap_or(data).to_ascii_lowercase(),
    }
}

fn hint() -> String {
    let words: Vec<&str> = WORDS.iter().map(|(word, _)| *word).collect();
    format!("expectations are '= DATA...', {}", words.join(", "))
}

/// The expectation that was probably meant, as the end of a sentence.
fn meant(word: &str) -> String {
    let known = nearest(&word.to_ascii_lowercase(), WORDS.iter().map(|(word, _)| *word));
    known.map_or_else(String::new, |known| format!("; did you mean '{known}'?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: &str) -> String {
        let (assertions, problems) = parse(&"t".into(), line);
        match (&assertions[..], &problems[..]) {
            ([assertion], []) => assertion.to_string(),
            ([], [problem]) => problem.what.clone(),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn lines() {
        for (line, want) in [
            (
                "from 10.0.1.5  ec2.us-east-1.amazonaws.com A = 10.0.1.18 10.0.1.82 # both",
                "from 10.0.1.5 ec2.us-east-1.amazonaws.com A = 10.0.1.18 10.0.1.82",
            ),
            (
                "from vpc-ec43eb89 *.dkr.ecr.us-east-1.amazonaws.com private",
                "from vpc-ec43eb89 *.dkr.ecr.us-east-1.amazonaws.com A private",
            ),
            ("from 192.168.0.9 a.example PUBLIC", "from 192.168.0.9 a.example A public"),
            (
                "from every VPC sts.eu-west-1.amazonaws.com aaaa nodata",
                "from every vpc sts.eu-west-1.amazonaws.com AAAA nodata",
            ),
            ("from fd00:0::1 a.example TYPE65 nxdomain", "from fd00::1 a.example HTTPS nxdomain"),
            ("from 10.0.0.1 a.example CNAME = WWW.Example.", "from 10.0.0.1 a.example CNAME = www.example"),
            ("from 10.0.0.1 a.example AAAA = FD00:0:0::1", "from 10.0.0.1 a.example AAAA = fd00::1"),
            ("form 10.0.0.1 a.example private", "the line begins with 'form', not with 'from'"),
            ("from", "the client is missing"),
            ("from everybody a.example private", "'everybody' is not a client"),
            ("from 10.0.0.1", "the name is missing"),
            ("from 10.0.0.1 https://a.example/x private", "'https://a.example/x' is not a domain name: "),
            ("from 10.0.0.1 a.example", "the expectation is missing"),
            ("from 10.0.0.1 a.example A", "the expectation is missing"),
            (
                "from 10.0.0.1 a.example privat",
                "'privat' is neither a record type nor an expectation; did you mean 'private'?",
            ),
            ("from 10.0.0.1 a.example A nxdoman", "'nxdoman' is not an expectation; did you mean 'nxdomain'?"),
            ("from 10.0.0.1 a.example A =", "'=' is followed by nothing"),
            ("from 10.0.0.1 a.example A private yes", "'yes' follows 'private', which ends the line"),
        ] {
            let got = one(line);
            assert!(
                if want.ends_with(": ") { got.starts_with(want) } else { got == want },
                "{line}\n got {got}\nwant {want}"
            );
        }
    }

    #[test]
    fn blank_lines_and_comments_are_nothing_and_places_are_lines() {
        let (assertions, problems) = parse(&"t".into(), "\n# a\n  \nfrom 10.0.0.1 a.example private\nx\n");
        assert_eq!(assertions[0].place.line, 4);
        assert_eq!(problems[0].place.to_string(), "t:5");
    }
}
