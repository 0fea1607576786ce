//! `Filters`, `MaxResults` and `NextToken` of the List actions.

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use super::invalid_parameter;
use crate::ec2::document::Document;
use crate::ec2::error::ApiError;

/// Items of a page, unless a call says otherwise (API Reference, `MaxResults`).
const PAGE: u32 = 100;

/// What a List action is asked.
pub(super) struct ListQuery<'d> {
    filters: Vec<(&'static str, Vec<&'d str>)>,
    most: u32,
    /// The token of the page that is wanted; `None`: the first one.
    token: Option<&'d str>,
}

/// An item of a list: its id, by which pages are told apart, and how it is shown.
pub(super) struct ListedItem {
    pub(super) id: String,
    pub(super) shown: Value,
}

impl<'d> ListQuery<'d> {
    /// Reads what a call asks for; `known` are the filters of the action.
    pub(super) fn read(document: &Document<'d>, known: &[&'static str]) -> Result<Self, ApiError> {
        let most = document.number("MaxResults", 1..=PAGE).unwrap_or(PAGE);
        let token = document.text("NextToken", 0..=usize::MAX).filter(|token| !token.is_empty());
        let mut given = Vec::new();
        for filter in document.structures("Filters", 0..=usize::MAX).unwrap_or_default() {
            given.push((filter.text("Name", 1..=64), filter.texts("Values", 0..=usize::MAX, 1..=600)));
        }
        document.check()?;
        let mut filters = Vec::new();
        for (name, values) in given {
            let name = name.unwrap_or_default();
            let known = known.iter().find(|known| is_called(known, name));
            let known = known.ok_or_else(|| invalid_parameter(format!("The filter '{name}' is invalid")))?;
            let values = values.filter(|values| !values.is_empty());
            let values = values.ok_or_else(|| invalid_parameter(format!("No values specified for filter {name}")))?;
            filters.push((*known, values));
        }
        Ok(Self { filters, most, token })
    }

    /// A page of `items`, in the order of their ids, in the member `list`.
    pub(super) fn page(self, list: &str, items: impl IntoIterator<Item = ListedItem>) -> Result<Value, ApiError> {
        let mut items: Vec<ListedItem> = items.into_iter().filter(|item| self.takes(&item.shown)).collect();
        items.sort_by(|a, b| a.id.cmp(&b.id));
        if let Some(token) = self.token {
            let from = BASE64URL_NOPAD.decode(token.as_bytes()).ok().and_then(|id| String::from_utf8(id).ok());
            let from = from.ok_or_else(invalid_token)?;
            items.retain(|item| item.id >= from);
        }
        let most = usize::try_from(self.most).unwrap_or(usize::MAX);
        let next = items.get(most).map(|item| BASE64URL_NOPAD.encode(item.id.as_bytes()));
        let shown: Vec<Value> = items.into_iter().take(most).map(|item| item.shown).collect();
        let mut answer = json!({ list: shown, "MaxResults": self.most });
        crate::ec2::resolver_rule::set(&mut answer, "NextToken", next);
        Ok(answer)
    }

    /// Whether an item has one of the values of each filter.
    fn takes(&self, shown: &Value) -> bool {
        self.filters.iter().all(|(name, values)| {
            // the one filter that is not called as its member is
            let member = if *name == "Type" { "RuleType" } else { name };
            match shown.get(member) {
                Some(Value::String(text)) => values.contains(&text.as_str()),
                Some(Value::Number(number)) => values.contains(&number.to_string().as_str()),
                Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).any(|one| values.contains(&one)),
                _ => false,
            }
        })
    }
}

fn invalid_token() -> ApiError {
    ApiError::new("InvalidNextTokenException", "Invalid value passed for the NextToken parameter")
}

/// Whether a call means the filter `known`: "In early versions of Resolver, values for Name were listed as uppercase, with
/// underscore (_) delimiters ... Uppercase values for Name are still supported" (API Reference, `Filter`).
fn is_called(known: &str, name: &str) -> bool {
    let is_upper = name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    name == known || is_upper && name.replace('_', "").eq_ignore_ascii_case(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_have_two_names() {
        for (known, name, expected) in [
            ("CreatorRequestId", "CreatorRequestId", true),
            ("CreatorRequestId", "CREATOR_REQUEST_ID", true),
            ("HostVPCId", "HOST_VPC_ID", true),
            ("VPCId", "VPC_ID", true),
            ("VPCId", "VpcId", false),
            ("Type", "TYPE", true),
            ("Name", "name", false),
            ("Name", "", false),
        ] {
            assert_eq!(is_called(known, name), expected, "{name}");
        }
    }
}
