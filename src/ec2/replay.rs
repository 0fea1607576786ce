//! What a call that comes again with its token is answered: the object that it made, as it is now.

use super::action;
use super::call::Call;
use super::params::Params;

/// How an action that takes a token shows what it made, and the action that shows the same later.
struct Replayed {
    action: &'static str,
    /// The element of the object, and of its id.
    element: &'static str,
    id: &'static str,
    describe: &'static str,
    /// The parameter that names the object, and the element of the list.
    parameter: &'static str,
    set: &'static str,
}

const REPLAYED: [Replayed; 5] = [
    Replayed {
        action: "CreateVpcEndpoint",
        element: "vpcEndpoint",
        id: "vpcEndpointId",
        describe: "DescribeVpcEndpoints",
        parameter: "VpcEndpointId.1",
        set: "vpcEndpointSet",
    },
    Replayed {
        action: "CreateVpcEndpointServiceConfiguration",
        element: "serviceConfiguration",
        id: "serviceId",
        describe: "DescribeVpcEndpointServiceConfigurations",
        parameter: "ServiceId.1",
        set: "serviceConfigurationSet",
    },
    Replayed {
        action: "CreateVpcEndpointConnectionNotification",
        element: "connectionNotification",
        id: "connectionNotificationId",
        describe: "DescribeVpcEndpointConnectionNotifications",
        parameter: "ConnectionNotificationId",
        set: "connectionNotificationSet",
    },
    Replayed {
        action: "CreateRouteTable",
        element: "routeTable",
        id: "routeTableId",
        describe: "DescribeRouteTables",
        parameter: "RouteTableId.1",
        set: "routeTableSet",
    },
    Replayed {
        action: "CreateNetworkInterface",
        element: "networkInterface",
        id: "networkInterfaceId",
        describe: "DescribeNetworkInterfaces",
        parameter: "NetworkInterfaceId.1",
        set: "networkInterfaceSet",
    },
];

/// The answer `then` of an action with its object as it is now; `None` where that has gone, or where the answer shows none.
pub(super) fn present(call: &Call<'_>, action: &str, then: &str) -> Option<String> {
    let Replayed { element, id, describe, parameter, set, .. } =
        REPLAYED.iter().find(|replayed| replayed.action == action)?;
    let (_, from_id) = then.split_once(&format!("<{id}>"))?;
    let (id, _) = from_id.split_once('<')?;
    let (_, behind) = then.split_once(&format!("</{element}>"))?;
    let mut params = Params::decode(format!("{parameter}={id}").as_bytes()).ok()?;
    let now = (action::find(describe)?.run)(call, &mut params).ok()?.answer.into_text();
    let object = now.strip_prefix(&format!("<{set}><item>"))?.strip_suffix(&format!("</item></{set}>"))?;
    Some(format!("<{element}>{object}</{element}>{behind}"))
}
