"""Score rows with the module of this folder, and with rbmfast from Python: the bits are the same."""

import numpy as np
import scorer

import rbmfast as rf

V = np.random.default_rng(0).integers(0, 2, (1000, 60), dtype=np.uint8)
rbm = rf.RBM(60, 40, seed=0)
rf.train(rbm, V, epochs=2, seed=1)

energies = np.empty(len(V))
scorer.score(rbm.W, rbm.a, rbm.b, V, energies)
assert (energies == rbm.free_energy(V)).all()
print(f"{len(V)} free energies, from {energies.min():.2f} to {energies.max():.2f} nats: the same bits")
