//! `Filter.N`, `MaxResults` and `NextToken` of the Describe actions.

use std::collections::BTreeMap;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};

use super::error::ApiError;
use super::params::Params;

/// Most filters of a call, and most values of a filter (EC2 API Reference, "Filtering your resources").
const MOST_VALUES: usize = 200;
/// Most items of one page.
const MOST_RESULTS: u32 = 1_000;

/// The filters of a call: all must match, each by one of its values.
#[derive(Clone, Debug, Default)]
pub struct Filters(Vec<(String, Vec<String>)>);

impl Filters {
    /// Takes the filters of a call. `known` are those of the action; `tag` among them stands for `tag:<key>`.
    ///
    /// `unknown` is the code by which this action refuses other filters.
    pub fn take(params: &mut Params, known: &[&str], unknown: &'static str) -> Result<Self, ApiError> {
        let mut filters = Vec::new();
        for mut filter in params.structures("Filter") {
            let name = filter.required("Name")?;
            let is_known = match name.split_once(':') {
                Some(("tag", key)) => !key.is_empty() && known.contains(&"tag"),
                _ => name != "tag" && known.contains(&name.as_str()),
            };
            if !is_known {
                return Err(ApiError::new(unknown, format!("The filter '{name}' is invalid")));
            }
            // an empty one asks for tags without a value (`describe-tags ... Name=value,Values=`)
            let values = filter.given_list("Value");
            if values.is_empty() {
                let message = format!("The filter '{name}' has no value");
                return Err(ApiError::new("InvalidParameterValue", message));
            }
            if values.len() > MOST_VALUES || filters.len() == MOST_VALUES {
                let message = format!("The maximum number of filter values is {MOST_VALUES}.");
                return Err(ApiError::new("FilterLimitExceeded", message));
            }
            filter.finish()?;
            filters.push((name, values));
        }
        Ok(Self(filters))
    }

    /// The filters.
    pub fn iter(&self) -> impl Iterator<Item = Filter<'_>> {
        self.0.iter().map(|(name, patterns)| Filter { name, patterns })
    }
}

/// A filter of a call.
#[derive(Clone, Copy, Debug)]
pub struct Filter<'f> {
    name: &'f str,
    patterns: &'f [String],
}

impl<'f> Filter<'f> {
    /// By which a resource knows it: its name, and `tag` for `tag:<key>`.
    pub fn kind(&self) -> &'f str {
        if self.name.starts_with("tag:") { "tag" } else { self.name }
    }

    /// Whether it takes a value.
    pub fn takes(&self, value: &str) -> bool {
        self.patterns.iter().any(|pattern| is_like(pattern.as_bytes(), value.as_bytes()))
    }

    /// Whether it takes one of the tags.
    pub fn takes_tags(&self, tags: &BTreeMap<String, String>) -> bool {
        match self.name.split_once(':') {
            Some((_, key)) => tags.get(key).is_some_and(|value| self.takes(value)),
            None => tags.keys().any(|key| self.takes(key)),
        }
    }
}

/// Whether `value` is of the form of `pattern`, in which `*` stands for any characters, `?` for one, and `\` takes the
/// meaning of the next. Takes time in proportion to the product of the lengths at most.
fn is_like(pattern: &[u8], value: &[u8]) -> bool {
    // a byte for a character is enough but for `?`: those of one character are taken together
    let (mut p, mut v) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    loop {
        let step = match (pattern.get(p), value.get(v)) {
            (None, None) => return true,
            (Some(b'*'), _) => {
                star = Some((p + 1, v));
                p += 1;
                continue;
            }
            (Some(b'?'), Some(_)) => Some((1, character(value, v))),
            (Some(b'\\'), Some(there)) if p + 1 < pattern.len() => {
                (pattern.get(p + 1) == Some(there)).then_some((2, 1))
            }
            (Some(wanted), Some(there)) => (wanted == there).then_some((1, 1)),
            _ => None,
        };
        match (step, &mut star) {
            (Some((pattern_step, value_step)), _) => {
                p += pattern_step;
                v += value_step;
            }
            // the last star takes one more
            (None, Some((after, taken))) if *taken < value.len() => {
                *taken += 1;
                (p, v) = (*after, *taken);
            }
            (None, _) => return false,
        }
    }
}

/// Octets of the character at `at` (UTF-8).
fn character(value: &[u8], at: usize) -> usize {
    1 + value.iter().skip(at + 1).take_while(|byte| **byte & 0xc0 == 0x80).count()
}

/// Which part of a list a call asks for.
#[derive(Clone, Debug, Default)]
pub struct ResultPage {
    most: Option<usize>,
    after: Option<String>,
}

impl ResultPage {
    /// Takes `MaxResults` (`least` to 1,000; more is taken for 1,000, as EC2 documents) and `NextToken`.
    pub fn take(params: &mut Params, least: u32) -> Result<Self, ApiError> {
        let most = params.parsed::<u32>("MaxResults", "Expected an integer.")?;
        if let Some(most) = most.filter(|most| *most < least) {
            let expected = format!("Expecting a value between {least} and {MOST_RESULTS}.");
            return Err(ApiError::value(most, "MaxResults", expected));
        }
        let after = match params.optional("NextToken") {
            None => None,
            Some(token) => Some(read_token(&token).ok_or_else(|| {
                ApiError::new("InvalidPaginationToken", format!("The pagination token '{token}' is invalid"))
            })?),
        };
        Ok(Self { most: most.map(|most| most.min(MOST_RESULTS) as usize), after })
    }

    /// The id that the page before this one ended with.
    pub fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// Whether the call limits what it gets.
    pub fn is_limited(&self) -> bool {
        self.most.is_some()
    }

    /// The page's part of `items`, which are sorted by what `id` gives, and the token of the next page.
    pub fn cut<T>(&self, items: impl IntoIterator<Item = T>, id: impl Fn(&T) -> String) -> (Vec<T>, Option<String>) {
        let after = self.after();
        let mut rest = items.into_iter().skip_while(|item| after.is_some_and(|after| id(item).as_str() <= after));
        let most = self.most.unwrap_or(usize::MAX);
        let page: Vec<T> = rest.by_ref().take(most).collect();
        let token = rest.next().and_then(|_| page.last()).map(|last| write_token(&id(last)));
        (page, token)
    }
}

/// A token is the last id of the page before it, in hexadecimal: no state is kept for it, and objects that come and go
/// between two pages move no other.
fn write_token(id: &str) -> String {
    HEXLOWER.encode(id.as_bytes())
}

fn read_token(token: &str) -> Option<String> {
    String::from_utf8(HEXLOWER_PERMISSIVE.decode(token.as_bytes()).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, value, like) in [
            ("*ec2", "com.amazonaws.us-east-1.ec2", true),
            ("*ec2", "com.amazonaws.us-east-1.ec2messages", false),
            ("com.*.ec?", "com.amazonaws.us-east-1.ec2", true),
            ("", "", true),
            ("*", "", true),
            ("?", "", false),
            ("?", "ü", true),
            ("a**b", "ab", true),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("\\", "\\", true),
            ("a*b*c", "a-b-b-c-c", true),
            ("a*b*c", "a-b-b-c-d", false),
            ("vpc-1", "VPC-1", false),
        ] {
            assert_eq!(is_like(pattern.as_bytes(), value.as_bytes()), like, "{pattern} {value}");
        }
    }

    /// The usual trap: exponential time.
    #[test]
    fn stars_cost_little() {
        let pattern = "a*".repeat(100) + "b";
        assert!(!is_like(pattern.as_bytes(), "a".repeat(2_000).as_bytes()));
    }

    #[test]
    fn pages_follow_each_other() {
        let ids = ["a", "b", "c", "d", "e"];
        let mut form = "MaxResults=2".to_owned();
        let mut seen = Vec::new();
        loop {
            let page = ResultPage::take(&mut Params::decode(form.as_bytes()).unwrap(), 1).unwrap();
            let (part, token) = page.cut(ids, |id| (*id).to_owned());
            seen.push(part.len());
            match token {
                Some(token) => form = format!("MaxResults=2&NextToken={token}"),
                None => break,
            }
        }
        assert_eq!(seen, [2, 2, 1]);
        let code = |form: &str| ResultPage::take(&mut Params::decode(form.as_bytes()).unwrap(), 5).unwrap_err().code;
        assert_eq!(code("NextToken=zz"), "InvalidPaginationToken");
        assert_eq!(code("MaxResults=4"), "InvalidParameterValue");
    }
}
