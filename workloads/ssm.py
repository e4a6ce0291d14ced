"""Parameters: values, versions and their history."""

from __future__ import annotations

import random

from workloads.base import Workload
from workloads.ledger import Ledger


class Parameters(Workload):
    """Writes new parameters, overwrites and deletes old ones. The ledger's value is (value, version)."""

    name = "ssm"

    def setup(self) -> None:
        self._path = f"/load/{self.prefix()}"

    def step(self, rng: random.Random) -> None:
        ssm, known = self.cloud.client("ssm"), self.ledger.present()
        if len(known) >= self.keep:
            with self.ledger.write(known[0], None):
                ssm.delete_parameter(Name=f"{self._path}/{known[0]}")
            return
        number = self.next()
        name = rng.choice(known) if known and rng.random() < 0.5 else f"p{number}"
        version = self.ledger.get(name)[1] + 1 if name in known else 1
        kind = "SecureString" if number % 5 == 0 else "String"
        with self.ledger.write(name, (f"value {number}", version)):
            ssm.put_parameter(Name=f"{self._path}/{name}", Value=f"value {number}", Type=kind, Overwrite=version > 1)

    def verify(self, ledger: Ledger, patience: float) -> list[str]:
        ssm = self.cloud.client("ssm")
        found = ssm.pages("get_parameters_by_path", "Parameters", Path=self._path, WithDecryption=True)
        return ledger.compare({each["Name"].rpartition("/")[2]: (each["Value"], each["Version"]) for each in found})
