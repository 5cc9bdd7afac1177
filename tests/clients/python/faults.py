class Faults:
    def __init__(self, world):
        self.world = world
