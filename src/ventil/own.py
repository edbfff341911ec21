"""Jobs of your own, declared in a Python program: `ventil` with one command more.

::

    from ventil.own import OwnJob, Profile, main

    main(OwnJob(Profile(name="orders", ...), fetch))

The program has every command of `ventil`, and one named after the job, which runs it on a
list of records. Give its commands in its place where the job's runs are concerned: `python
orders.py runs resume last`, `python orders.py worker`. The how-to page "Collect later" shows
one whole.
"""

from ventil.cli.own import main
from ventil.providers.profile import Profile
from ventil.wiring.own import OwnJob

__all__ = ["OwnJob", "Profile", "main"]
