"""One file per API: request and response as dataclasses with version ranges."""
