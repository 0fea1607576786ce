//! Where the Regions are: by that, private hosted zones answer with geolocation records (Route 53 guide, "Geolocation routing in
//! private hosted zones").
//!
//! Countries are those of the EC2 guide, "AWS Regions"; continents those of the Route 53 guide, "Location".

use super::service_name::Region;

/// Where a Region is, in the codes of a `GeoLocation` (Route 53 API Reference).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geography {
    /// `EU`
    pub continent: &'static str,
    /// `DE`
    pub country: &'static str,
    /// A state of the United States, where the Region's name says it.
    pub subdivision: Option<&'static str>,
}

/// What Regions' codes begin with, the country and the continent; the first that fits holds.
const PLACES: [(&str, &str, &str); 34] = [
    ("us-", "US", "NA"),
    ("ca-", "CA", "NA"),
    ("mx-", "MX", "NA"),
    ("sa-east-1", "BR", "SA"),
    ("sa-west-1", "CL", "SA"),
    ("eu-west-1", "IE", "EU"),
    ("eu-west-2", "GB", "EU"),
    ("eu-west-3", "FR", "EU"),
    ("eu-central-1", "DE", "EU"),
    ("eu-central-2", "CH", "EU"),
    ("eu-north-1", "SE", "EU"),
    ("eu-south-1", "IT", "EU"),
    ("eu-south-2", "ES", "EU"),
    ("eusc-de-", "DE", "EU"),
    ("af-south-1", "ZA", "AF"),
    ("il-central-1", "IL", "AS"),
    ("me-south-1", "BH", "AS"),
    ("me-west-1", "SA", "AS"),
    ("me-central-1", "AE", "AS"),
    ("ap-east-1", "HK", "AS"),
    ("ap-east-2", "TW", "AS"),
    ("ap-south-1", "IN", "AS"),
    ("ap-south-2", "IN", "AS"),
    ("ap-northeast-1", "JP", "AS"),
    ("ap-northeast-2", "KR", "AS"),
    ("ap-northeast-3", "JP", "AS"),
    ("ap-southeast-1", "SG", "AS"),
    ("ap-southeast-2", "AU", "OC"),
    ("ap-southeast-3", "ID", "AS"),
    ("ap-southeast-4", "AU", "OC"),
    ("ap-southeast-5", "MY", "AS"),
    ("ap-southeast-6", "NZ", "OC"),
    ("ap-southeast-7", "TH", "AS"),
    ("cn-", "CN", "AS"),
];

/// US East (N. Virginia), US East (Ohio), US West (N. California), US West (Oregon).
const STATES: [(&str, &str); 4] = [("us-east-1", "VA"), ("us-east-2", "OH"), ("us-west-1", "CA"), ("us-west-2", "OR")];

/// Where a Region is; `None` where that is not known, as for one that is younger than this table.
pub fn geography_of(region: &Region) -> Option<Geography> {
    let code = region.as_str();
    let (_, country, continent) = PLACES.iter().find(|(prefix, ..)| code.starts_with(prefix))?;
    let subdivision = STATES.iter().find(|(known, _)| *known == code).map(|(_, state)| *state);
    Some(Geography { continent, country, subdivision })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::naming::known_regions;

    #[test]
    fn regions_are_somewhere() {
        let mut nowhere = Vec::new();
        for code in known_regions().iter().map(|region| region.code) {
            match geography_of(&code.parse().unwrap()) {
                Some(place) => assert_eq!((place.continent.len(), place.country.len()), (2, 2), "{code}"),
                None => nowhere.push(code),
            }
        }
        assert_eq!(nowhere, ["eu-isoe-west-1"], "no page says in which country that is");
        let of = |code: &str| geography_of(&code.parse().unwrap());
        let virginia = Geography { continent: "NA", country: "US", subdivision: Some("VA") };
        assert_eq!(of("us-east-1"), Some(virginia));
        assert_eq!(of("us-gov-east-1"), Some(Geography { subdivision: None, ..virginia }));
        assert_eq!(of("xy-east-1"), None);
    }
}
