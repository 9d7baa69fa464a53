"""Flags of runs that take seconds."""

# 8x8, two phases of a resolution, a little fine-tuning.
TINY = [
    "--resolution=8",
    "--latent_size=8",
    "--fmap_base=32",
    "--fmap_max=8",
    "--attention_discriminator=8",
    "--fade_images=32",
    "--stable_images=32",
    "--total_iterations=0",
    "--finetune_iterations=2",
    "--batch_sizes=4:8,8:8",
]

# The same at 16x16, the least that can be evaluated; evaluated on its way, too.
EVALUABLE = [
    *TINY,
    "--resolution=16",
    "--batch_sizes=4:8,8:8,16:8",
    "--eval_interval=16",
    "--scalar_interval=1",
    "--deterministic",
]
