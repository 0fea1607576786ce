//! The parameters of a call: a form, of which every action takes what it knows and nothing may be left.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::error::ApiError;

/// Most parameters of one call: a batch of 1,000 changes of record sets has up to 20 each.
const MOST: usize = 20_000;

/// The parameters of a call, or of one structure in it (`Filter.1`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params {
    /// How the call names this structure, with the full stop at its end; empty for the call itself.
    prefix: String,
    left: BTreeMap<String, String>,
}

impl Params {
    /// The pairs of a form (`application/x-www-form-urlencoded`). A name that comes twice is refused.
    pub fn decode(form: &[u8]) -> Result<Self, ApiError> {
        let mut left = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(form) {
            if left.len() == MOST {
                return Err(ApiError::new("RequestLimitExceeded", format!("A request has at most {MOST} parameters.")));
            }
            if name.is_empty() {
                return Err(ApiError::new(
                    "MalformedQueryString",
                    "The query string contains a parameter without a name.",
                ));
            }
            // the name comes back in texts about it
            if let Some(character) = name.chars().chain(value.chars()).find(|c| !is_xml(*c)) {
                let message = format!(
                    "The parameter {} contains the character {}.",
                    name.escape_default(),
                    character.escape_unicode()
                );
                return Err(ApiError::new("InvalidCharacter", message));
            }
            if left.insert(name.to_string(), value.into_owned()).is_some() {
                let message = format!("The parameter {name} may only be specified once.");
                return Err(ApiError::new("InvalidParameterCombination", message));
            }
        }
        Ok(Self { prefix: String::new(), left })
    }

    /// The name by which the call knows `name` of this structure.
    pub fn full_name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// A text; empty ones count as not given, as the SDKs leave them out.
    pub fn optional(&mut self, name: &str) -> Option<String> {
        self.left.remove(name).filter(|value| !value.is_empty())
    }

    /// A text that may be empty: for the few parameters of which the empty one has a meaning of its own.
    pub fn given(&mut self, name: &str) -> Option<String> {
        self.left.remove(name)
    }

    /// A text that has to be there.
    pub fn required(&mut self, name: &str) -> Result<String, ApiError> {
        self.optional(name).ok_or_else(|| ApiError::missing(&self.full_name(name)))
    }

    /// `true` or `false`.
    pub fn flag(&mut self, name: &str) -> Result<Option<bool>, ApiError> {
        let Some(value) = self.optional(name) else { return Ok(None) };
        match value.to_ascii_lowercase().as_str() {
            "true" => Ok(Some(true)),
            "false" => Ok(Some(false)),
            _ => Err(ApiError::value(value, &self.full_name(name), "Expected a boolean value: true or false.")),
        }
    }

    /// Something that is written as `T` reads it; `expected` says how.
    pub fn parsed<T: FromStr>(&mut self, name: &str, expected: &str) -> Result<Option<T>, ApiError> {
        let Some(value) = self.optional(name) else { return Ok(None) };
        value.parse().map(Some).map_err(|_| ApiError::value(value, &self.full_name(name), expected))
    }

    /// `name.1`, `name.2`, ...: in the order of their numbers, in which there may be gaps. Empty ones count as not
    /// given.
    pub fn list(&mut self, name: &str) -> Vec<String> {
        let mut list = self.given_list(name);
        list.retain(|value| !value.is_empty());
        list
    }

    /// The same with empty ones among them: for lists in which they have a meaning of their own.
    pub fn given_list(&mut self, name: &str) -> Vec<String> {
        let mut numbered: Vec<(u32, String)> = Vec::new();
        self.left.retain(|key, value| match number_after(key, name) {
            Some((number, "")) => {
                numbered.push((number, std::mem::take(value)));
                false
            }
            _ => true,
        });
        numbered.sort_by_key(|(number, _)| *number);
        numbered.into_iter().map(|(_, value)| value).collect()
    }

    /// `name.1.Member`, `name.2.Member`, ...: one set of parameters for each number.
    pub fn structures(&mut self, name: &str) -> Vec<Self> {
        let mut numbered: BTreeMap<u32, Self> = BTreeMap::new();
        self.left.retain(|key, value| match number_after(key, name) {
            Some((number, rest)) if rest.len() > 1 => {
                let member = rest.trim_start_matches('.').to_owned();
                let structure = numbered.entry(number).or_insert_with(|| Self {
                    prefix: format!("{}{name}.{number}.", self.prefix),
                    left: BTreeMap::new(),
                });
                structure.left.insert(member, std::mem::take(value));
                false
            }
            _ => true,
        });
        numbered.into_values().collect()
    }

    /// `name.Member`: one structure; empty if nothing of it was given.
    #[must_use]
    pub fn structure(&mut self, name: &str) -> Self {
        let prefix = format!("{name}.");
        let mut left = BTreeMap::new();
        self.left.retain(|key, value| match key.strip_prefix(&prefix) {
            Some(rest) => left.insert(rest.to_owned(), std::mem::take(value)).is_some(),
            None => true,
        });
        Self { prefix: format!("{}{prefix}", self.prefix), left }
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// What is left is unknown: `UnknownParameter`, as EC2 refuses it.
    pub fn finish(self) -> Result<(), ApiError> {
        match self.left.keys().next() {
            None => Ok(()),
            Some(name) => {
                let name = format!("{}{name}", self.prefix);
                Err(ApiError::new("UnknownParameter", format!("The parameter {name} is not recognized")))
            }
        }
    }
}

/// The number behind `name.`, and the rest of `key`, which is empty or begins with a full stop.
fn number_after<'k>(key: &'k str, name: &str) -> Option<(u32, &'k str)> {
    let rest = key.strip_prefix(name)?.strip_prefix('.')?;
    let end = rest.find('.').unwrap_or(rest.len());
    let (digits, rest) = rest.split_at(end);
    let plain = digits.bytes().all(|b| b.is_ascii_digit());
    if plain { Some((digits.parse().ok()?, rest)) } else { None }
}

/// What XML 1.0 can say at all (section 2.2, `Char`).
pub(super) fn is_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(form: &str) -> Params {
        Params::decode(form.as_bytes()).unwrap()
    }

    #[test]
    fn lists_come_in_the_order_of_their_numbers() {
        let mut params = params("SubnetId.10=c&SubnetId.2=b&SubnetId.1=a&SubnetIds.1=x&SubnetId=y&SubnetId.z=q");
        assert_eq!(params.list("SubnetId"), ["a", "b", "c"]);
        assert_eq!(params.finish().unwrap_err().message, "The parameter SubnetId is not recognized");
    }

    #[test]
    fn structures_are_taken_apart() {
        let form = "Filter.1.Name=vpc-id&Filter.1.Value.1=a%2A&Filter.1.Value.2=b&Filter.2.Name=x&DnsOptions.DnsRecordIpType=ipv4";
        let mut params = params(form);
        let mut filters = params.structures("Filter");
        assert_eq!(filters.len(), 2);
        assert_eq!(filters[0].required("Name").unwrap(), "vpc-id");
        assert_eq!(filters[0].list("Value"), ["a*", "b"]);
        assert_eq!(
            filters[1].required("Value").unwrap_err().message,
            "The request must contain the parameter Filter.2.Value"
        );
        let mut options = params.structure("DnsOptions");
        assert_eq!(options.optional("DnsRecordIpType").as_deref(), Some("ipv4"));
        assert!(params.is_empty());
    }

    #[test]
    fn bad_forms_are_refused() {
        let code = |form: &str| Params::decode(form.as_bytes()).unwrap_err().code;
        assert_eq!(code("a=1&a=2"), "InvalidParameterCombination");
        assert_eq!(code("=1"), "MalformedQueryString");
        assert_eq!(code("a=%00"), "InvalidCharacter");
        assert_eq!(code("a%00=1"), "InvalidCharacter");
        let many = (0..=MOST).map(|n| format!("a{n}=1")).collect::<Vec<_>>().join("&");
        assert_eq!(code(&many), "RequestLimitExceeded");
        let error = params("DryRun=yes").flag("DryRun").unwrap_err();
        assert_eq!(
            error.message,
            "Value (yes) for parameter DryRun is invalid. Expected a boolean value: true or false."
        );
    }
}
