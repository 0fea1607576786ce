//! `Filters`, `MaxResults` and `NextToken` of the List actions.

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use super::invalid_parameter;
use crate::ec2::document::Document;
use crate::ec2::error::ApiError;
use crate::ec2::resolver_rule::set;

/// Items of a page, unless a call says otherwise (API Reference, `MaxResults`).
const PAGE: u32 = 100;

/// What a List action is asked.
pub(in crate::ec2::action) struct ListQuery<'d> {
    filters: Vec<(&'static str, Vec<&'d str>)>,
    /// The member that the order is by; `None`: the id.
    by: Option<String>,
    is_descending: bool,
    most: u32,
    /// The token of the page that is wanted; `None`: the first one.
    token: Option<&'d str>,
}

/// An item of a list: its id, and how it is shown.
pub(in crate::ec2::action) struct ListedItem {
    pub(in crate::ec2::action) id: String,
    pub(in crate::ec2::action) shown: Value,
    /// What a filter finds besides its members.
    pub(in crate::ec2::action) also: Option<(&'static str, &'static str)>,
}

impl ListedItem {
    pub(in crate::ec2::action) fn new(id: impl Into<String>, shown: Value) -> Self {
        Self { id: id.into(), shown, also: None }
    }

    /// Its place in a list that is ordered by a member, and by the id where that is the same.
    fn key(&self, by: Option<&str>) -> String {
        let value = by.and_then(|by| self.shown.get(by)).map(|value| match value {
            Value::String(text) => text.clone(),
            // as long as the longest, so that texts are in the order of numbers
            value => format!("{:0>20}", value.to_string()),
        });
        format!("{}\u{1}{}", value.unwrap_or_default(), self.id)
    }
}

impl<'d> ListQuery<'d> {
    /// Reads what a call asks for; `known` are the filters of the action.
    pub(in crate::ec2::action) fn read(document: &Document<'d>, known: &[&'static str]) -> Result<Self, ApiError> {
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
        Ok(Self { filters, by: None, is_descending: false, most, token })
    }

    /// In the order of the member `by`.
    pub(in crate::ec2::action) fn sorted(self, by: Option<String>, is_descending: bool) -> Self {
        Self { by, is_descending, ..self }
    }

    /// A page of `items`, in the member `list`.
    pub(in crate::ec2::action) fn page(
        self,
        list: &str,
        items: impl IntoIterator<Item = ListedItem>,
    ) -> Result<Value, ApiError> {
        let taken = items.into_iter().filter(|item| self.takes(item));
        let mut items: Vec<(String, Value)> = taken.map(|item| (item.key(self.by.as_deref()), item.shown)).collect();
        items.sort_by(|(a, _), (b, _)| if self.is_descending { b.cmp(a) } else { a.cmp(b) });
        if let Some(token) = self.token {
            let from = BASE64URL_NOPAD.decode(token.as_bytes()).ok().and_then(|key| String::from_utf8(key).ok());
            let from = from.ok_or_else(invalid_token)?;
            items.retain(|(key, _)| if self.is_descending { *key <= from } else { *key >= from });
        }
        let most = usize::try_from(self.most).unwrap_or(usize::MAX);
        let next = items.get(most).map(|(key, _)| BASE64URL_NOPAD.encode(key.as_bytes()));
        let shown: Vec<Value> = items.into_iter().take(most).map(|(_, shown)| shown).collect();
        let mut answer = json!({ list: shown, "MaxResults": self.most });
        set(&mut answer, "NextToken", next);
        Ok(answer)
    }

    /// Whether an item has one of the values of each filter.
    pub(in crate::ec2::action) fn takes(&self, item: &ListedItem) -> bool {
        self.filters.iter().all(|(name, values)| {
            if let Some((_, value)) = item.also.filter(|(also, _)| also == name) {
                return values.contains(&value);
            }
            // the one filter that is not called as its member is
            let member = if *name == "Type" { "RuleType" } else { name };
            match item.shown.get(member) {
                Some(Value::String(text)) => values.contains(&text.as_str()),
                Some(Value::Number(number)) => values.contains(&number.to_string().as_str()),
                Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).any(|one| values.contains(&one)),
                _ => false,
            }
        })
    }
}

/// Takes out how long pages are, for the lists that do not say it.
pub(in crate::ec2::action) fn without_page_size(answer: &mut Value) {
    if let Value::Object(members) = answer {
        members.remove("MaxResults");
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
