"""`python -m ventil.sim.hosts`."""

from ventil.sim.hosts.main import main

raise SystemExit(main())
