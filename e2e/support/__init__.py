"""What the end-to-end tests share: a strict DNS codec, the server under test, a scripted upstream, TOML to feed it."""
