"""Several servers over one etcd under faults, and the judge of what their clients saw."""
