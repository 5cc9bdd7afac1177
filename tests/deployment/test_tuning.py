"""What tuning/ sets is consistent, explained and checked; its scripts do what they say, on folders made for the test."""

import pathlib
import re
import subprocess
import tempfile
import unittest

import promises
import yaml

TUNING = pathlib.Path(__file__).parents[2] / "tuning"
README = (TUNING / "README.md").read_text()
KUBELET = yaml.safe_load((TUNING / "kubelet.yaml").read_text())


def settings(name):
    """Names and values of a file of `name = value` lines."""
    lines = (line.strip() for line in (TUNING / name).read_text().splitlines())
    lines = (line for line in lines if line and line[0] not in "#[")
    return [tuple(part.strip() for part in (line + "=").split("=")[:2]) for line in lines]


def run(script, *arguments, **environment):
    command = [str(TUNING / script), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env={"PATH": "/usr/bin:/bin", **environment})


class Explained(unittest.TestCase):
    def test_every_line_is_in_the_table(self):
        keys = [key for key in KUBELET if key not in ("apiVersion", "kind")]
        for name in ("kernel-command-line", "sysctl.conf", "tuned/tuned.conf"):
            keys += [key for key, _ in settings(name) if key != "summary"]
        for key in keys:
            with self.subTest(key=key):
                self.assertIn(f"`{key}", README)

    def test_every_file_is_in_the_table(self):
        for path in TUNING.rglob("*"):
            if path.is_file() and path.name != "README.md":
                self.assertIn(str(path.relative_to(TUNING)), README)


class Consistent(unittest.TestCase):
    def test_the_memory_set_aside_is_what_the_node_reserves(self):
        reserved = [KUBELET[key]["memory"] for key in ("kubeReserved", "systemReserved")]
        reserved.append(KUBELET["evictionHard"]["memory.available"])
        aside = [entry["limits"]["memory"] for entry in KUBELET["reservedMemory"]]
        self.assertEqual(sum(map(promises.quantity, reserved)), sum(map(promises.quantity, aside)))

    def test_the_cpus_are_the_same_everywhere(self):
        self.assertEqual(KUBELET["reservedSystemCPUs"], "0-1")
        for key, value in settings("kernel-command-line") + settings("tuned/tuned.conf"):
            for cpus in re.findall(r"\d+-\d+", value):
                self.assertEqual(cpus, "0-1" if key == "irqaffinity" else "2-15", key)


class Checked(unittest.TestCase):
    def test_a_row_for_every_line(self):
        done = run("check.sh")
        self.assertEqual(done.returncode, 0, done.stderr)
        for key, _ in settings("kernel-command-line"):
            self.assertIn(f"kernel: {key} ", done.stdout)
        for key, _ in settings("sysctl.conf"):
            self.assertIn(f"sysctl: {key} ", done.stdout)
        rows = done.stdout.splitlines()[2:-1]
        for row in rows:
            self.assertRegex(row, r"\s(ok|no|unknown)\s")
        refused = sum(1 for row in rows if re.search(r"\sno\s+[a-z(]", row))
        self.assertEqual(done.stdout.splitlines()[-1], f"{refused} lines did not take effect here")
        self.assertEqual(run("check.sh", "--strict").returncode, 1 if refused else 0)

    def test_an_argument_that_it_does_not_know(self):
        self.assertEqual(run("check.sh", "--loud").returncode, 2)


class Interrupts(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        for irq, cpus in (("1", "0-7"), ("24", "0-1"), ("25", "5")):
            self.write(f"proc/irq/{irq}/smp_affinity_list", cpus)
        self.write("proc/irq/default_smp_affinity", "ff")
        self.write("sys/devices/virtual/workqueue/cpumask", "ff")

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")

    def read(self, name):
        return (self.root / name).read_text().strip()

    def move(self, *arguments):
        return run("irq-affinity.sh", *arguments, PROC=str(self.root / "proc"), SYS=str(self.root / "sys"))

    def test_all_are_moved(self):
        done = self.move("0-1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([self.read(f"proc/irq/{irq}/smp_affinity_list") for irq in (1, 24, 25)], ["0-1"] * 3)
        self.assertEqual(self.read("proc/irq/default_smp_affinity"), "00000003")
        self.assertEqual(self.read("sys/devices/virtual/workqueue/cpumask"), "00000003")
        self.assertIn("moved to 0-1: 2; not movable: none", done.stdout)

    def test_a_mask_of_more_than_32_cpus(self):
        self.move("0,33-34")
        self.assertEqual(self.read("proc/irq/default_smp_affinity"), "00000006,00000001")

    def test_a_dry_run_changes_nothing(self):
        done = self.move("--dry-run", "0-1")
        self.assertIn("would move interrupt 25 from 5 to 0-1", done.stdout)
        self.assertEqual(self.read("proc/irq/25/smp_affinity_list"), "5")
        self.assertEqual(self.read("proc/irq/default_smp_affinity"), "ff")

    def test_cpus_that_are_none(self):
        for arguments in ((), ("all",), ("0-",), ("0;reboot",)):
            self.assertEqual(self.move(*arguments).returncode, 2, arguments)


if __name__ == "__main__":
    unittest.main()
