"""A made-up estate of several accounts: what there is (`world`), how AWS prints it (`outputs`), what AWS answers (`oracle`)."""
