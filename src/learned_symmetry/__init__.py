"""When does a network have a symmetry, how did it get it, and can it be handed to another network?"""

from learned_symmetry import tree

tree.keep_to()
