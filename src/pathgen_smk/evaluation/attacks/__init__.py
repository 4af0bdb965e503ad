"""Membership inference attacks, one a module, each with ``scores(target, shadows, inside) -> (N,) float``.

Each tells from similarities to released synthetic patches alone who was among the training patches of their generator;
higher means more likely a member. `target` is (N,): the similarity of each real patch to its nearest patch in the
released set. `shadows` is (N, K): the same for the sets of K reference generators. `inside` is (N, K) bool: whether the
patch's patient was among those that reference was trained on. No attack is told who the members are, and none depends
on the order of the patches.
"""
