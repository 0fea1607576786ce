"""What Terraform does with a resource, in its order."""


def apply(case, made, resource, name, config, later):
    """Creates `name` as `config` says, notes its id in `made`, and changes it to what `later` says, if it does: a plan shows
    no difference after either. Returns its id and the configuration that it has then."""
    config = config()
    made[name] = ident = resource.create(config)
    if ready := getattr(resource, "ready", None):
        case.equal(f"{name}: status", resource.status(ident), ready)
    case.equal(f"{name}: a plan after create", resource.read(ident), config)
    if later:
        new = later()
        resource.update(ident, config, new)
        case.equal(f"{name}: a plan after update", resource.read(ident), new)
        config = new
    return ident, config
