"""What the manifests promise, as functions over rendered objects. Each returns what is wrong, in words."""

import re

APP = {"app": "stellar-hummingbot-connector"}

# Settings that the program reads from its environment. One that it does not know has no place in a manifest.
SETTINGS = {
    "CORE_HTTP_URL",
    "CORE_META_STREAM",
    "LOG_FORMAT",
    "LOG_LEVEL",
    "METRICS_HOST",
    "METRICS_PORT",
    "STELLAR_NETWORK",
    "STELLAR_SECRET_KEY_FILE",
    "TRADING_ENABLED",
}

# Keys of the Secret `stellar-secrets`.
SECRET_KEYS = {
    "stellar-secret-key",
    "database-url",
    "redis-url",
    "hsm-pin",
    "coingecko-api-key",
    "slack-webhook-url",
    "discord-webhook-url",
    "grafana-admin-password",
}

SUFFIXES = {"": 1, "m": 1e-3, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "k": 1e3, "M": 1e6, "G": 1e9}


def quantity(text):
    """A Kubernetes quantity as a number: CPUs, or bytes."""
    number, suffix = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", str(text)).groups()
    return float(number) * SUFFIXES[suffix]


def of_kind(objects, kind):
    return [item for item in objects if item["kind"] == kind]


def pods(objects):
    """The workloads' names with their pod templates."""
    kinds = {"Deployment", "StatefulSet", "DaemonSet", "Job"}
    return [(item["metadata"]["name"], item["spec"]["template"]) for item in objects if item["kind"] in kinds]


def containers(template):
    return template["spec"].get("initContainers", []) + template["spec"]["containers"]


def qos_class(template):
    """The class that the kubelet gives a pod (GetPodQOS), with the API server's defaulting: a limit without a request
    is a request too."""
    requests, limits, guaranteed = {}, {}, True
    for container in containers(template):
        resources = container.get("resources", {})
        own_limits = {name: quantity(value) for name, value in resources.get("limits", {}).items() if quantity(value) > 0}
        own_requests = dict(own_limits)
        for name, value in resources.get("requests", {}).items():
            if quantity(value) > 0:
                own_requests[name] = quantity(value)
            else:
                own_requests.pop(name, None)
        for name in ("cpu", "memory"):
            requests[name] = requests.get(name, 0) + own_requests.get(name, 0)
            limits[name] = limits.get(name, 0) + own_limits.get(name, 0)
            guaranteed = guaranteed and name in own_limits
    if not any(requests.values()) and not any(limits.values()):
        return "BestEffort"
    return "Guaranteed" if guaranteed and requests == limits else "Burstable"


def exclusive_cpus(objects):
    """A pod whose cores are its own: Guaranteed, every container in whole CPUs, the engine in whole physical cores of
    two threads, on the pool of nodes for it, without a sidecar that somebody injects."""
    wrong = []
    for name, template in pods(objects):
        spec = template["spec"]
        if qos_class(template) != "Guaranteed":
            wrong.append(f"{name}: the pod is {qos_class(template)}, not Guaranteed")
        for container in containers(template):
            resources = container.get("resources", {})
            if resources.get("requests") != resources.get("limits"):
                wrong.append(f"{name}/{container['name']}: requests are not its limits")
            cpus = quantity(resources.get("limits", {}).get("cpu", 0))
            if cpus < 1 or cpus != int(cpus):
                wrong.append(f"{name}/{container['name']}: {cpus} CPUs are not whole")
            if container["name"] == "stellar-connector" and cpus % 2:
                wrong.append(f"{name}/{container['name']}: {cpus} CPUs are not whole physical cores")
        pool = {"stellar-connector/pool": "low-latency"}
        if not pool.items() <= spec.get("nodeSelector", {}).items():
            wrong.append(f"{name}: is not bound to the low-latency pool")
        tolerated = [(t["key"], t.get("value"), t["effect"]) for t in spec.get("tolerations", [])]
        if ("stellar-connector/pool", "low-latency", "NoSchedule") not in tolerated:
            wrong.append(f"{name}: does not tolerate the low-latency pool's taint")
        if template["metadata"].get("labels", {}).get("sidecar.istio.io/inject") != "false":
            wrong.append(f"{name}: a sidecar may be injected")
    return wrong


def names(objects, namespace):
    """The names that operators were promised, in the namespace that they were promised."""
    wrong = []
    for item in objects:
        if item["kind"] != "Namespace" and item["metadata"].get("namespace") != namespace:
            wrong.append(f"{item['kind']} {item['metadata']['name']} is not in {namespace}")
    for kind in ("Deployment", "Service", "ServiceAccount"):
        found = [item["metadata"]["name"] for item in of_kind(objects, kind)]
        if found != ["stellar-connector"]:
            wrong.append(f"{kind}s: {found}")
    for item in of_kind(objects, "Namespace"):
        if item["metadata"]["name"] != namespace:
            wrong.append(f"Namespace {item['metadata']['name']} is not {namespace}")
        if item["metadata"].get("labels", {}).get("pod-security.kubernetes.io/enforce") != "restricted":
            wrong.append(f"Namespace {namespace}: Pod Security is not `restricted`")
    for name, template in pods(objects):
        if [container["name"] for container in template["spec"]["containers"]] != ["stellar-connector"]:
            wrong.append(f"{name}: its container is not `stellar-connector`")
        image = template["spec"]["containers"][0]["image"]
        if not re.fullmatch(r"stellar/hummingbot-connector:[0-9A-Za-z._-]+", image) or image.endswith(":latest"):
            wrong.append(f"{name}: image {image}")
    return wrong


def selectors(objects):
    """Selectors match the pods, and ports that are named exist."""
    wrong = []
    templates = pods(objects)
    for item in of_kind(objects, "Deployment"):
        labels = item["spec"]["template"]["metadata"]["labels"]
        if item["spec"]["selector"]["matchLabels"] != APP or not APP.items() <= labels.items():
            wrong.append(f"{item['metadata']['name']}: selector or labels are not {APP}")
    for item in of_kind(objects, "Service"):
        name, selector = item["metadata"]["name"], item["spec"]["selector"]
        behind = [t for _, t in templates if selector.items() <= t["metadata"]["labels"].items()]
        if not behind:
            wrong.append(f"Service {name}: selects no pod")
        for port in item["spec"]["ports"]:
            if not all(port["targetPort"] in ports(t["spec"]["containers"]) for t in behind):
                wrong.append(f"Service {name}: port {port['targetPort']} is not a pod's")
        if [port["port"] for port in item["spec"]["ports"]] != [8000]:
            wrong.append(f"Service {name}: its port is not 8000")
    return wrong


def ports(of):
    """The ports of containers, by name and by number."""
    declared = [port for container in of for port in container.get("ports", [])]
    return {port["containerPort"] for port in declared} | {port.get("name") for port in declared}


def probes(objects):
    """Three probes of their own paths, on a port that the container has, which is 8000."""
    wrong = []
    for name, template in pods(objects):
        for container in template["spec"]["containers"]:
            if 8000 not in ports([container]):
                wrong.append(f"{name}: no port 8000")
            for kind, path in (("startup", "startup"), ("liveness", "live"), ("readiness", "ready")):
                get = container.get(f"{kind}Probe", {}).get("httpGet", {})
                if get.get("path") != f"/health/{path}":
                    wrong.append(f"{name}: the {kind} probe asks {get.get('path')}")
                if get.get("port") not in ports([container]):
                    wrong.append(f"{name}: the {kind} probe's port {get.get('port')} does not exist")
    return wrong


def restricted(objects):
    """Pod Security `restricted`, and beyond it: user 1000, group 2000, a root file system that cannot be written, no
    token of the API server."""
    wrong = []
    for name, template in pods(objects):
        spec = template["spec"]
        context = spec.get("securityContext", {})
        expected = {"runAsNonRoot": True, "runAsUser": 1000, "fsGroup": 2000, "seccompProfile": {"type": "RuntimeDefault"}}
        for key, value in expected.items():
            if context.get(key) != value:
                wrong.append(f"{name}: {key} is {context.get(key)}, not {value}")
        for key in ("hostNetwork", "hostPID", "hostIPC"):
            if spec.get(key):
                wrong.append(f"{name}: {key}")
        if spec.get("automountServiceAccountToken") is not False:
            wrong.append(f"{name}: gets a token that it does not use")
        for container in containers(template):
            own = container.get("securityContext", {})
            expected = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
            for key, value in expected.items():
                if own.get(key) != value:
                    wrong.append(f"{name}/{container['name']}: {key} is {own.get(key)}, not {value}")
            if own.get("privileged") or own.get("runAsUser", 1000) != 1000:
                wrong.append(f"{name}/{container['name']}: privileged, or not user 1000")
    return wrong


def volumes(objects):
    """What is mounted exists, what is written is bounded and in memory, and fits the memory limit."""
    wrong = []
    for name, template in pods(objects):
        declared = {volume["name"]: volume for volume in template["spec"].get("volumes", [])}
        mounted = {mount["name"] for container in containers(template) for mount in container.get("volumeMounts", [])}
        if mounted != set(declared):
            wrong.append(f"{name}: mounted {sorted(mounted)}, declared {sorted(declared)}")
        in_memory = 0
        for volume in declared.values():
            if "hostPath" in volume:
                wrong.append(f"{name}: volume {volume['name']} is a folder of the node")
            if "emptyDir" in volume:
                if volume["emptyDir"].get("medium") != "Memory" or "sizeLimit" not in volume["emptyDir"]:
                    wrong.append(f"{name}: volume {volume['name']} is not in memory, or has no bound")
                else:
                    in_memory += quantity(volume["emptyDir"]["sizeLimit"])
        memory = sum(quantity(c["resources"]["limits"]["memory"]) for c in template["spec"]["containers"])
        if in_memory > memory / 4:
            wrong.append(f"{name}: volumes in memory may take {in_memory:.0f} of {memory:.0f} bytes")
    return wrong


def settings(objects):
    """Variables that the program knows, and no secret among them; configuration that exists, under a name with a hash."""
    wrong = []
    config_maps = {item["metadata"]["name"]: item for item in of_kind(objects, "ConfigMap")}
    used = set()
    for name, template in pods(objects):
        for container in containers(template):
            variables = []
            for entry in container.get("env", []):
                variables.append(entry["name"])
                if "valueFrom" in entry:
                    wrong.append(f"{name}: variable {entry['name']} is taken from elsewhere: {entry['valueFrom']}")
            for source in container.get("envFrom", []):
                if "secretRef" in source:
                    wrong.append(f"{name}: a secret is an environment")
                    continue
                used.add(source["configMapRef"]["name"])
                variables += config_maps.get(source["configMapRef"]["name"], {}).get("data", {})
            wrong += [f"{name}: the program does not know {variable}" for variable in variables if variable not in SETTINGS]
            if len(variables) != len(set(variables)):
                wrong.append(f"{name}: a variable is set twice: {sorted(variables)}")
        for volume in template["spec"].get("volumes", []):
            if "configMap" in volume:
                used.add(volume["configMap"]["name"])
            for item in volume.get("secret", {}).get("items", []):
                if item["key"] not in SECRET_KEYS:
                    wrong.append(f"{name}: {item['key']} is no key of the Secret")
            if "secret" in volume and volume["secret"]["secretName"] != "stellar-secrets":
                wrong.append(f"{name}: the Secret is {volume['secret']['secretName']}")
    if used != set(config_maps):
        wrong.append(f"ConfigMaps used: {sorted(used)}, defined: {sorted(config_maps)}")
    wrong += [f"ConfigMap {name}: no hash in its name" for name in config_maps if not re.search(r"-[a-z0-9]{10}$", name)]
    wrong += [f"a Secret among the manifests: {item['metadata']['name']}" for item in of_kind(objects, "Secret")]
    return wrong


def secret_files(objects):
    """Each …_FILE variable names a file that a mounted Secret has."""
    wrong = []
    for name, template in pods(objects):
        secrets = {v["name"]: v["secret"] for v in template["spec"].get("volumes", []) if "secret" in v}
        for container in containers(template):
            files = {
                f"{mount['mountPath']}/{item['path']}"
                for mount in container.get("volumeMounts", [])
                for item in secrets.get(mount["name"], {}).get("items", [])
            }
            for entry in container.get("env", []):
                if entry["name"].endswith("_FILE") and entry.get("value") not in files:
                    wrong.append(f"{name}: {entry['name']} names {entry.get('value')}, mounted are {sorted(files)}")
    return wrong


def one_owner(objects):
    """One replica an account, and its successor only after it: replicas do not yet agree on who owns what."""
    wrong = []
    for item in of_kind(objects, "Deployment"):
        if item["spec"].get("replicas") != 1 or item["spec"].get("strategy") != {"type": "Recreate"}:
            wrong.append(f"{item['metadata']['name']}: two engines may sign for one account")
    wrong += [f"an autoscaler: {item['metadata']['name']}" for item in of_kind(objects, "HorizontalPodAutoscaler")]
    return wrong
