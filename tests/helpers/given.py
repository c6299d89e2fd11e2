"""A generator with a latent, given one: under the laws of every other."""

from textgan_lit.model.generator.base import Generator


class Given(Generator):
    """``generator`` given z, the same for every sentence."""

    def __init__(self, generator, z):
        super().__init__(generator.vocab, generator.max_length)
        self.generator, self.z, self.accepts_soft = generator, z, generator.accepts_soft

    def _z(self, n):
        return self.z.expand(n, -1)

    def start(self, n):
        return self.generator.start(n, self._z(n))

    def advance(self, prev, state):
        return self.generator.advance(prev, state)

    def features(self, inputs):
        return self.generator.features(inputs, self._z(len(inputs)))

    def head(self, features):
        return self.generator.head(features)

    def parameters(self, recurse=True):
        """Those of what writes: an encoder says nothing of a sentence whose latent is given."""
        return (weight for name, weight in self.named_parameters() if ".encoder." not in name)
