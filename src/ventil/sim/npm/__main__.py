"""`python -m ventil.sim.npm`."""

from ventil.sim.npm.main import main

raise SystemExit(main())
