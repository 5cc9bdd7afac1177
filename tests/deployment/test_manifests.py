"""The rendered overlays keep what promises.py says; and each promise is broken once, to see that it is noticed."""

import copy
import pathlib
import unittest

import promises
import yaml

RENDERED = pathlib.Path(__file__).parents[2] / "target" / "deployment"

COMMON = [
    promises.selectors,
    promises.probes,
    promises.restricted,
    promises.volumes,
    promises.settings,
    promises.secret_files,
    promises.one_owner,
]


def rendered(overlay):
    return list(yaml.safe_load_all((RENDERED / f"{overlay}.yaml").read_text()))


def deployment(objects):
    return promises.of_kind(objects, "Deployment")[0]


def container(objects):
    return deployment(objects)["spec"]["template"]["spec"]["containers"][0]


class Kept(unittest.TestCase):
    def test_every_overlay_keeps_the_common_promises(self):
        overlays = sorted(path.stem for path in RENDERED.glob("*.yaml"))
        self.assertIn("development", overlays)
        self.assertIn("production", overlays)
        for overlay in overlays:
            for promise in COMMON:
                with self.subTest(overlay=overlay, promise=promise.__name__):
                    self.assertEqual(promise(rendered(overlay)), [])
            with self.subTest(overlay=overlay, promise="names"):
                self.assertEqual(promises.names(rendered(overlay), f"stellar-{overlay}"), [])

    def test_production_has_cores_of_its_own(self):
        self.assertEqual(promises.exclusive_cpus(rendered("production")), [])

    def test_production_trades_and_its_configuration_is_mounted(self):
        objects = rendered("production")
        self.assertEqual(container(objects)["args"], ["run", "--config", "/etc/stellar-connector/connector.toml"])
        files = [item for item in promises.of_kind(objects, "ConfigMap") if "connector.toml" in item["data"]]
        self.assertEqual(len(files), 1)

    def test_development_is_the_demo_and_needs_nothing_else(self):
        objects = rendered("development")
        self.assertEqual(container(objects)["args"], ["demo", "--listen", "0.0.0.0:8000"])
        self.assertEqual([volume for volume in deployment(objects)["spec"]["template"]["spec"]["volumes"] if "emptyDir" not in volume], [])
        self.assertEqual({item["kind"] for item in objects}, {"Namespace", "ServiceAccount", "Service", "Deployment"})


class Noticed(unittest.TestCase):
    def broken(self, promise, breaks, overlay="production"):
        objects = copy.deepcopy(rendered(overlay))
        breaks(objects)
        self.assertNotEqual(promise(objects), [])

    def test_a_sidecar_without_limits(self):
        sidecar = {"name": "proxy", "image": "proxy:1", "resources": {"requests": {"cpu": "1"}}}
        self.broken(promises.exclusive_cpus, lambda o: deployment(o)["spec"]["template"]["spec"]["containers"].append(sidecar))

    def test_a_fraction_of_a_cpu(self):
        half = {"cpu": "3500m", "memory": "2Gi"}
        self.broken(promises.exclusive_cpus, lambda o: container(o).update(resources={"requests": half, "limits": dict(half)}))

    def test_development_has_no_cores_of_its_own(self):
        self.broken(promises.exclusive_cpus, lambda o: None, "development")

    def test_a_label_that_nothing_selects(self):
        self.broken(promises.selectors, lambda o: deployment(o)["spec"]["template"]["metadata"]["labels"].update(app="other"))

    def test_a_probe_of_a_port_that_is_not_there(self):
        self.broken(promises.probes, lambda o: container(o)["livenessProbe"]["httpGet"].update(port="metrics"))

    def test_a_writable_root(self):
        self.broken(promises.restricted, lambda o: container(o)["securityContext"].pop("readOnlyRootFilesystem"))

    def test_root(self):
        self.broken(promises.restricted, lambda o: deployment(o)["spec"]["template"]["spec"]["securityContext"].update(runAsUser=0))

    def test_a_volume_without_a_bound(self):
        volume = {"name": "state", "emptyDir": {}}
        self.broken(promises.volumes, lambda o: deployment(o)["spec"]["template"]["spec"].update(volumes=[volume]))

    def test_a_secret_as_a_variable(self):
        reference = {"secretKeyRef": {"name": "stellar-secrets", "key": "stellar-secret-key"}}
        self.broken(promises.settings, lambda o: container(o)["env"].append({"name": "STELLAR_SECRET_KEY", "valueFrom": reference}))
        self.broken(promises.settings, lambda o: container(o)["envFrom"].append({"secretRef": {"name": "stellar-secrets"}}))

    def test_a_setting_that_the_program_does_not_know(self):
        self.broken(promises.settings, lambda o: container(o)["env"].append({"name": "MAX_SPEED", "value": "11"}))

    def test_a_configuration_that_is_not_there(self):
        self.broken(promises.settings, lambda o: o.remove(promises.of_kind(o, "ConfigMap")[0]))

    def test_a_secret_file_that_is_not_mounted(self):
        self.broken(promises.secret_files, lambda o: container(o)["env"][0].update(value="/run/secrets/elsewhere"))

    def test_two_replicas(self):
        self.broken(promises.one_owner, lambda o: deployment(o)["spec"].update(replicas=2))

    def test_another_namespace(self):
        objects = rendered("production")
        self.assertNotEqual(promises.names(objects, "stellar-staging"), [])


class Quality(unittest.TestCase):
    """Kubernetes' own table of pod quality of service."""

    def of(self, *resources):
        return promises.qos_class({"spec": {"containers": [{"resources": r} for r in resources]}})

    def test_classes(self):
        whole = {"cpu": "2", "memory": "1Gi"}
        self.assertEqual(self.of({}), "BestEffort")
        self.assertEqual(self.of({"requests": {"cpu": "0"}}), "BestEffort")
        self.assertEqual(self.of({"requests": whole, "limits": whole}), "Guaranteed")
        self.assertEqual(self.of({"limits": whole}), "Guaranteed")
        self.assertEqual(self.of({"requests": {"cpu": "2000m", "memory": "1024Mi"}, "limits": whole}), "Guaranteed")
        self.assertEqual(self.of({"requests": whole}), "Burstable")
        self.assertEqual(self.of({"limits": {"cpu": "2"}}), "Burstable")
        self.assertEqual(self.of({"requests": {"cpu": "1", "memory": "1Gi"}, "limits": whole}), "Burstable")
        self.assertEqual(self.of({"limits": whole}, {}), "Burstable")
        self.assertEqual(self.of({"limits": whole}, {"limits": {"memory": "1Gi"}}), "Burstable")

    def test_an_init_container_counts(self):
        limits = {"limits": {"cpu": "2", "memory": "1Gi"}}
        spec = {"containers": [{"resources": limits}], "initContainers": [{"resources": {}}]}
        self.assertEqual(promises.qos_class({"spec": spec}), "Burstable")


if __name__ == "__main__":
    unittest.main()
