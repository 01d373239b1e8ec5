"""List, plan, fetch, keep or set aside, land, reconcile."""
