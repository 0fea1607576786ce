//! Codes of regions in what people write.

use super::known_region::known_regions;
use super::service_name::Region;
use crate::problem::{Fault, nearest};

/// A region code has words and a number, each behind a hyphen: `us-east1` is none, whatever comes of it. One that is not
/// known may be new.
pub fn parse_region(text: &str) -> Result<Region, Fault> {
    let region: Region = text.parse().map_err(|error| Fault::new(format!("{error}"), ""))?;
    as_region(text).map(|_| region).ok_or_else(|| {
        let meant = nearest_region(text).map(|region| format!("did you mean '{region}'?"));
        let hint = meant.unwrap_or_else(|| "regions are such as us-east-1".to_owned());
        Fault::new(format!("'{text}' does not have the form of a region"), hint)
    })
}

/// The known region that was probably meant.
pub fn nearest_region(text: &str) -> Option<&'static str> {
    let squeezed = |text: &str| text.replace('-', "");
    let codes = known_regions().iter().map(|known| known.code);
    codes.clone().find(|known| squeezed(known) == squeezed(text)).or_else(|| nearest(text, codes))
}

/// A text of the form of all regions: words, then a number of one or two digits (`us-east-1`, `us-gov-west-1`).
pub fn as_region(text: &str) -> Option<Region> {
    let mut parts = text.split('-').rev();
    let number = parts.next()?;
    let is_number = (1..=2).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
    let words = parts.by_ref().try_fold(0, |count, part| {
        let is_word = !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
        is_word.then_some(count + 1)
    })?;
    (is_number && words >= 2).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_regions_have_the_form_of_regions() {
        for region in known_regions() {
            assert!(as_region(region.code).is_some(), "{}", region.code);
        }
    }
}
