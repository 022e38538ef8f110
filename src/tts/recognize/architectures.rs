//! The tensors of each architecture, in the published names; see [`schema`](super::schema).

/// SpeechBrain 1.1 `FastSpeech2`.
pub const FASTSPEECH2: &str = "
    encPreNet.token_embedding.Embedding.weight S D
    encoder.layers.#.self_att.att.in_proj_weight 3*D D
    encoder.layers.#.self_att.att.in_proj_bias 3*D
    encoder.layers.#.self_att.att.out_proj.weight D D
    encoder.layers.#.self_att.att.out_proj.bias D
    ~encoder.layers.#.pos_ffn.0 F D _
    ?encoder.layers.#.pos_ffn.0.conv.bias F
    ~encoder.layers.#.pos_ffn.2 D F _
    ?encoder.layers.#.pos_ffn.2.conv.bias D
    encoder.layers.#.norm1.norm.weight D
    encoder.layers.#.norm1.norm.bias D
    encoder.layers.#.norm2.norm.weight D
    encoder.layers.#.norm2.norm.bias D
    encoder.norm.norm.weight D
    encoder.norm.norm.bias D
    decoder.layers.#.self_att.att.in_proj_weight 3*D D
    decoder.layers.#.self_att.att.in_proj_bias 3*D
    decoder.layers.#.self_att.att.out_proj.weight D D
    decoder.layers.#.self_att.att.out_proj.bias D
    ~decoder.layers.#.pos_ffn.0 G D _
    ?decoder.layers.#.pos_ffn.0.conv.bias G
    ~decoder.layers.#.pos_ffn.2 D G _
    ?decoder.layers.#.pos_ffn.2.conv.bias D
    decoder.layers.#.norm1.norm.weight D
    decoder.layers.#.norm1.norm.bias D
    decoder.layers.#.norm2.norm.weight D
    decoder.layers.#.norm2.norm.bias D
    decoder.norm.norm.weight D
    decoder.norm.norm.bias D
    ~durPred.conv1 P D _
    ?durPred.conv1.conv.bias P
    ~durPred.conv2 Q P _
    ?durPred.conv2.conv.bias Q
    durPred.ln1.norm.weight P
    durPred.ln1.norm.bias P
    durPred.ln2.norm.weight Q
    durPred.ln2.norm.bias Q
    durPred.linear.w.weight 1 Q
    ?durPred.linear.w.bias 1
    ~pitchPred.conv1 R D _
    ?pitchPred.conv1.conv.bias R
    ~pitchPred.conv2 T R _
    ?pitchPred.conv2.conv.bias T
    pitchPred.ln1.norm.weight R
    pitchPred.ln1.norm.bias R
    pitchPred.ln2.norm.weight T
    pitchPred.ln2.norm.bias T
    pitchPred.linear.w.weight 1 T
    ?pitchPred.linear.w.bias 1
    ~energyPred.conv1 U D _
    ?energyPred.conv1.conv.bias U
    ~energyPred.conv2 V U _
    ?energyPred.conv2.conv.bias V
    energyPred.ln1.norm.weight U
    energyPred.ln1.norm.bias U
    energyPred.ln2.norm.weight V
    energyPred.ln2.norm.bias V
    energyPred.linear.w.weight 1 V
    ?energyPred.linear.w.bias 1
    ~pitchEmbed D 1 _
    ?pitchEmbed.conv.bias D
    ~energyEmbed D 1 _
    ?energyEmbed.conv.bias D
    linear.w.weight M D
    ?linear.w.bias M
    ~postnet.conv_pre W M _
    ?postnet.conv_pre.conv.bias W
    ~postnet.convs_intermediate.# W W _
    ?postnet.convs_intermediate.#.conv.bias W
    ~postnet.conv_post M W _
    ?postnet.conv_post.conv.bias M
    postnet.ln1.weight W
    postnet.ln1.bias W
    postnet.ln2.weight W
    postnet.ln2.bias W
    postnet.ln3.weight M
    postnet.ln3.bias M
    ?sinusoidal_positional_embed_encoder.pe 1 _ D
    ?sinusoidal_positional_embed_decoder.pe 1 _ D
";

/// matcha-tts 0.0.7 `MatchaTTS`, of one speaker.
pub const MATCHA: &str = "
    encoder.emb.weight S C
    ~encoder.prenet.conv_layers.# C C _
    encoder.prenet.conv_layers.#.bias C
    encoder.prenet.norm_layers.#.gamma C
    encoder.prenet.norm_layers.#.beta C
    ~encoder.prenet.proj C C 1
    encoder.prenet.proj.bias C
    ~encoder.encoder.attn_layers.#.conv_q C C 1
    encoder.encoder.attn_layers.#.conv_q.bias C
    ~encoder.encoder.attn_layers.#.conv_k C C 1
    encoder.encoder.attn_layers.#.conv_k.bias C
    ~encoder.encoder.attn_layers.#.conv_v C C 1
    encoder.encoder.attn_layers.#.conv_v.bias C
    ~encoder.encoder.attn_layers.#.conv_o C C 1
    encoder.encoder.attn_layers.#.conv_o.bias C
    encoder.encoder.norm_layers_1.#.gamma C
    encoder.encoder.norm_layers_1.#.beta C
    encoder.encoder.norm_layers_2.#.gamma C
    encoder.encoder.norm_layers_2.#.beta C
    ~encoder.encoder.ffn_layers.#.conv_1 F C _
    encoder.encoder.ffn_layers.#.conv_1.bias F
    ~encoder.encoder.ffn_layers.#.conv_2 C F _
    encoder.encoder.ffn_layers.#.conv_2.bias C
    ~encoder.proj_m M C 1
    encoder.proj_m.bias M
    ~encoder.proj_w.proj _ _ 1
    encoder.proj_w.proj.bias _
    decoder.estimator.time_mlp.linear_1.weight T _
    decoder.estimator.time_mlp.linear_1.bias T
    decoder.estimator.time_mlp.linear_2.weight T T
    decoder.estimator.time_mlp.linear_2.bias T
    decoder.estimator.down_blocks.#.0.mlp.1.weight _ T
    decoder.estimator.down_blocks.#.0.mlp.1.bias _
    ~decoder.estimator.down_blocks.#.0.block1.block.0 _ _ 3
    decoder.estimator.down_blocks.#.0.block1.block.0.bias _
    decoder.estimator.down_blocks.#.0.block1.block.1.weight _
    decoder.estimator.down_blocks.#.0.block1.block.1.bias _
    ~decoder.estimator.down_blocks.#.0.block2.block.0 _ _ 3
    decoder.estimator.down_blocks.#.0.block2.block.0.bias _
    decoder.estimator.down_blocks.#.0.block2.block.1.weight _
    decoder.estimator.down_blocks.#.0.block2.block.1.bias _
    ~decoder.estimator.down_blocks.#.0.res_conv _ _ 1
    decoder.estimator.down_blocks.#.0.res_conv.bias _
    decoder.estimator.down_blocks.#.1.#.norm1.weight _
    decoder.estimator.down_blocks.#.1.#.norm1.bias _
    decoder.estimator.down_blocks.#.1.#.attn1.to_q.weight A _
    decoder.estimator.down_blocks.#.1.#.attn1.to_k.weight A _
    decoder.estimator.down_blocks.#.1.#.attn1.to_v.weight A _
    decoder.estimator.down_blocks.#.1.#.attn1.to_out.0.weight _ A
    decoder.estimator.down_blocks.#.1.#.attn1.to_out.0.bias _
    decoder.estimator.down_blocks.#.1.#.norm3.weight _
    decoder.estimator.down_blocks.#.1.#.norm3.bias _
    decoder.estimator.down_blocks.#.1.#.ff.net.0.alpha I
    decoder.estimator.down_blocks.#.1.#.ff.net.0.beta I
    decoder.estimator.down_blocks.#.1.#.ff.net.0.proj.weight I _
    decoder.estimator.down_blocks.#.1.#.ff.net.0.proj.bias I
    decoder.estimator.down_blocks.#.1.#.ff.net.2.weight _ I
    decoder.estimator.down_blocks.#.1.#.ff.net.2.bias _
    ~decoder.estimator.down_blocks.#.2 _ _ 3
    ?decoder.estimator.down_blocks.#.2.conv.bias _
    ?decoder.estimator.down_blocks.#.2.bias _
    decoder.estimator.mid_blocks.#.0.mlp.1.weight _ T
    decoder.estimator.mid_blocks.#.0.mlp.1.bias _
    ~decoder.estimator.mid_blocks.#.0.block1.block.0 _ _ 3
    decoder.estimator.mid_blocks.#.0.block1.block.0.bias _
    decoder.estimator.mid_blocks.#.0.block1.block.1.weight _
    decoder.estimator.mid_blocks.#.0.block1.block.1.bias _
    ~decoder.estimator.mid_blocks.#.0.block2.block.0 _ _ 3
    decoder.estimator.mid_blocks.#.0.block2.block.0.bias _
    decoder.estimator.mid_blocks.#.0.block2.block.1.weight _
    decoder.estimator.mid_blocks.#.0.block2.block.1.bias _
    ~decoder.estimator.mid_blocks.#.0.res_conv _ _ 1
    decoder.estimator.mid_blocks.#.0.res_conv.bias _
    decoder.estimator.mid_blocks.#.1.#.norm1.weight _
    decoder.estimator.mid_blocks.#.1.#.norm1.bias _
    decoder.estimator.mid_blocks.#.1.#.attn1.to_q.weight A _
    decoder.estimator.mid_blocks.#.1.#.attn1.to_k.weight A _
    decoder.estimator.mid_blocks.#.1.#.attn1.to_v.weight A _
    decoder.estimator.mid_blocks.#.1.#.attn1.to_out.0.weight _ A
    decoder.estimator.mid_blocks.#.1.#.attn1.to_out.0.bias _
    decoder.estimator.mid_blocks.#.1.#.norm3.weight _
    decoder.estimator.mid_blocks.#.1.#.norm3.bias _
    decoder.estimator.mid_blocks.#.1.#.ff.net.0.alpha I
    decoder.estimator.mid_blocks.#.1.#.ff.net.0.beta I
    decoder.estimator.mid_blocks.#.1.#.ff.net.0.proj.weight I _
    decoder.estimator.mid_blocks.#.1.#.ff.net.0.proj.bias I
    decoder.estimator.mid_blocks.#.1.#.ff.net.2.weight _ I
    decoder.estimator.mid_blocks.#.1.#.ff.net.2.bias _
    decoder.estimator.up_blocks.#.0.mlp.1.weight _ T
    decoder.estimator.up_blocks.#.0.mlp.1.bias _
    ~decoder.estimator.up_blocks.#.0.block1.block.0 _ _ 3
    decoder.estimator.up_blocks.#.0.block1.block.0.bias _
    decoder.estimator.up_blocks.#.0.block1.block.1.weight _
    decoder.estimator.up_blocks.#.0.block1.block.1.bias _
    ~decoder.estimator.up_blocks.#.0.block2.block.0 _ _ 3
    decoder.estimator.up_blocks.#.0.block2.block.0.bias _
    decoder.estimator.up_blocks.#.0.block2.block.1.weight _
    decoder.estimator.up_blocks.#.0.block2.block.1.bias _
    ~decoder.estimator.up_blocks.#.0.res_conv _ _ 1
    decoder.estimator.up_blocks.#.0.res_conv.bias _
    decoder.estimator.up_blocks.#.1.#.norm1.weight _
    decoder.estimator.up_blocks.#.1.#.norm1.bias _
    decoder.estimator.up_blocks.#.1.#.attn1.to_q.weight A _
    decoder.estimator.up_blocks.#.1.#.attn1.to_k.weight A _
    decoder.estimator.up_blocks.#.1.#.attn1.to_v.weight A _
    decoder.estimator.up_blocks.#.1.#.attn1.to_out.0.weight _ A
    decoder.estimator.up_blocks.#.1.#.attn1.to_out.0.bias _
    decoder.estimator.up_blocks.#.1.#.norm3.weight _
    decoder.estimator.up_blocks.#.1.#.norm3.bias _
    decoder.estimator.up_blocks.#.1.#.ff.net.0.alpha I
    decoder.estimator.up_blocks.#.1.#.ff.net.0.beta I
    decoder.estimator.up_blocks.#.1.#.ff.net.0.proj.weight I _
    decoder.estimator.up_blocks.#.1.#.ff.net.0.proj.bias I
    decoder.estimator.up_blocks.#.1.#.ff.net.2.weight _ I
    decoder.estimator.up_blocks.#.1.#.ff.net.2.bias _
    ~decoder.estimator.up_blocks.#.2 _ _ _
    ?decoder.estimator.up_blocks.#.2.conv.bias _
    ?decoder.estimator.up_blocks.#.2.bias _
    ~decoder.estimator.final_block.block.0 _ _ 3
    decoder.estimator.final_block.block.0.bias _
    decoder.estimator.final_block.block.1.weight _
    decoder.estimator.final_block.block.1.bias _
    ~decoder.estimator.final_proj M _ 1
    decoder.estimator.final_proj.bias M
    mel_mean
    mel_std
";

/// What a deterministic predictor of durations adds to [`MATCHA`].
pub const MATCHA_DURATIONS: &str = "
    ~encoder.proj_w.conv_1 _ _ _
    encoder.proj_w.conv_1.bias _
    encoder.proj_w.norm_1.gamma _
    encoder.proj_w.norm_1.beta _
    ~encoder.proj_w.conv_2 _ _ _
    encoder.proj_w.conv_2.bias _
    encoder.proj_w.norm_2.gamma _
    encoder.proj_w.norm_2.beta _
";

/// What a stochastic one adds, in the names of VITS.
pub const MATCHA_STOCHASTIC: &str = "
    ~encoder.proj_w.pre _ _ 1
    ~encoder.proj_w.convs.convs_sep.# _ 1 3
    ~encoder.proj_w.convs.convs_1x1.# _ _ 1
    encoder.proj_w.flows.0.m 2 1
    encoder.proj_w.flows.0.logs 2 1
    ~encoder.proj_w.flows.3.pre _ 1 1
    ~encoder.proj_w.flows.3.proj 29 _ 1
    ~encoder.proj_w.flows.5.pre _ 1 1
    ~encoder.proj_w.flows.5.proj 29 _ 1
    ~encoder.proj_w.flows.7.pre _ 1 1
    ~encoder.proj_w.flows.7.proj 29 _ 1
";

/// NVIDIA's and SpeechBrain's `Tacotron2`.
pub const TACOTRON2: &str = "
    embedding.weight S E
    ~encoder.convolutions.#.0 _ _ _
    encoder.convolutions.#.1.weight _
    encoder.convolutions.#.1.bias _
    encoder.convolutions.#.1.running_mean _
    encoder.convolutions.#.1.running_var _
    ?encoder.convolutions.#.0.conv.bias _
    encoder.lstm.weight_ih_l0 4*H _
    encoder.lstm.weight_hh_l0 4*H H
    encoder.lstm.bias_ih_l0 4*H
    encoder.lstm.bias_hh_l0 4*H
    encoder.lstm.weight_ih_l0_reverse 4*H _
    encoder.lstm.weight_hh_l0_reverse 4*H H
    encoder.lstm.bias_ih_l0_reverse 4*H
    encoder.lstm.bias_hh_l0_reverse 4*H
    decoder.prenet.layers.#.linear_layer.weight _ _
    decoder.attention_rnn.weight_ih 4*Q _
    decoder.attention_rnn.weight_hh 4*Q Q
    decoder.attention_rnn.bias_ih 4*Q
    decoder.attention_rnn.bias_hh 4*Q
    decoder.attention_layer.query_layer.linear_layer.weight A Q
    decoder.attention_layer.memory_layer.linear_layer.weight A 2*H
    decoder.attention_layer.v.linear_layer.weight 1 A
    ~decoder.attention_layer.location_layer.location_conv L 2 _
    decoder.attention_layer.location_layer.location_dense.linear_layer.weight A L
    decoder.decoder_rnn.weight_ih 4*D _
    decoder.decoder_rnn.weight_hh 4*D D
    decoder.decoder_rnn.bias_ih 4*D
    decoder.decoder_rnn.bias_hh 4*D
    decoder.linear_projection.linear_layer.weight O _
    decoder.linear_projection.linear_layer.bias O
    decoder.gate_layer.linear_layer.weight 1 _
    decoder.gate_layer.linear_layer.bias 1
    ~postnet.convolutions.#.0 _ _ _
    postnet.convolutions.#.0.conv.bias _
    postnet.convolutions.#.1.weight _
    postnet.convolutions.#.1.bias _
    postnet.convolutions.#.1.running_mean _
    postnet.convolutions.#.1.running_var _
";

/// r9y9's `Tacotron`.
pub const TACOTRON: &str = "
    embedding.weight S E
    encoder.prenet.layers.#.weight _ _
    encoder.prenet.layers.#.bias _
    encoder.cbhg.conv1d_banks.#.conv1d.weight _ _ _
    encoder.cbhg.conv1d_banks.#.bn.weight _
    encoder.cbhg.conv1d_banks.#.bn.bias _
    encoder.cbhg.conv1d_banks.#.bn.running_mean _
    encoder.cbhg.conv1d_banks.#.bn.running_var _
    encoder.cbhg.conv1d_projections.#.conv1d.weight _ _ 3
    encoder.cbhg.conv1d_projections.#.bn.weight _
    encoder.cbhg.conv1d_projections.#.bn.bias _
    encoder.cbhg.conv1d_projections.#.bn.running_mean _
    encoder.cbhg.conv1d_projections.#.bn.running_var _
    ?encoder.cbhg.pre_highway.weight C C
    encoder.cbhg.highways.#.H.weight C C
    encoder.cbhg.highways.#.H.bias C
    encoder.cbhg.highways.#.T.weight C C
    encoder.cbhg.highways.#.T.bias C
    encoder.cbhg.gru.weight_ih_l0 3*G C
    encoder.cbhg.gru.weight_hh_l0 3*G G
    encoder.cbhg.gru.bias_ih_l0 3*G
    encoder.cbhg.gru.bias_hh_l0 3*G
    encoder.cbhg.gru.weight_ih_l0_reverse 3*G C
    encoder.cbhg.gru.weight_hh_l0_reverse 3*G G
    encoder.cbhg.gru.bias_ih_l0_reverse 3*G
    encoder.cbhg.gru.bias_hh_l0_reverse 3*G
    decoder.prenet.layers.#.weight _ _
    decoder.prenet.layers.#.bias _
    decoder.attention_rnn.rnn_cell.weight_ih 3*Q _
    decoder.attention_rnn.rnn_cell.weight_hh 3*Q Q
    decoder.attention_rnn.rnn_cell.bias_ih 3*Q
    decoder.attention_rnn.rnn_cell.bias_hh 3*Q
    decoder.attention_rnn.attention_mechanism.query_layer.weight A Q
    decoder.attention_rnn.attention_mechanism.v.weight 1 A
    decoder.memory_layer.weight A 2*G
    decoder.project_to_decoder_in.weight D _
    decoder.project_to_decoder_in.bias D
    decoder.decoder_rnns.#.weight_ih 3*D D
    decoder.decoder_rnns.#.weight_hh 3*D D
    decoder.decoder_rnns.#.bias_ih 3*D
    decoder.decoder_rnns.#.bias_hh 3*D
    decoder.proj_to_mel.weight O D
    decoder.proj_to_mel.bias O
    postnet.conv1d_banks.#.conv1d.weight _ M _
    postnet.conv1d_banks.#.bn.weight _
    postnet.conv1d_banks.#.bn.bias _
    postnet.conv1d_banks.#.bn.running_mean _
    postnet.conv1d_banks.#.bn.running_var _
    postnet.conv1d_projections.#.conv1d.weight _ _ 3
    postnet.conv1d_projections.#.bn.weight _
    postnet.conv1d_projections.#.bn.bias _
    postnet.conv1d_projections.#.bn.running_mean _
    postnet.conv1d_projections.#.bn.running_var _
    ?postnet.pre_highway.weight M _
    postnet.highways.#.H.weight M M
    postnet.highways.#.H.bias M
    postnet.highways.#.T.weight M M
    postnet.highways.#.T.bias M
    postnet.gru.weight_ih_l0 3*P M
    postnet.gru.weight_hh_l0 3*P P
    postnet.gru.bias_ih_l0 3*P
    postnet.gru.bias_hh_l0 3*P
    postnet.gru.weight_ih_l0_reverse 3*P M
    postnet.gru.weight_hh_l0_reverse 3*P P
    postnet.gru.bias_ih_l0_reverse 3*P
    postnet.gru.bias_hh_l0_reverse 3*P
    last_linear.weight B 2*P
    last_linear.bias B
";

/// jik876's generator, and SpeechBrain's: residual blocks are told apart below.
pub const HIFIGAN: &str = "
    ~conv_pre W M _
    ?conv_pre.bias W
    ?conv_pre.conv.bias W
    ~ups.# _ _ _
    ?ups.#.bias _
    ?ups.#.conv.bias _
    ~conv_post 1 _ _
    ?conv_post.bias 1
    ?conv_post.conv.bias 1
";

/// Residual blocks of two convolutions a branch: V1 and V2.
pub const HIFIGAN_TWO: &str = "
    ~resblocks.#.convs1.# _ _ _
    ?resblocks.#.convs1.#.bias _
    ?resblocks.#.convs1.#.conv.bias _
    ~resblocks.#.convs2.# _ _ _
    ?resblocks.#.convs2.#.bias _
    ?resblocks.#.convs2.#.conv.bias _
";

/// Residual blocks of one convolution a branch: V3.
pub const HIFIGAN_ONE: &str = "
    ~resblocks.#.convs.# _ _ _
    ?resblocks.#.convs.#.bias _
    ?resblocks.#.convs.#.conv.bias _
";

/// r9y9's `WaveNet` with a mixture of logistics.
pub const WAVENET: &str = "
    ~first_conv W 1 1
    first_conv.bias W
    ~conv_layers.#.conv 2*I W 3
    conv_layers.#.conv.bias 2*I
    ~conv_layers.#.conv1x1c 2*I M 1
    ~conv_layers.#.conv1x1_out W I 1
    conv_layers.#.conv1x1_out.bias W
    ~conv_layers.#.conv1x1_skip K I 1
    conv_layers.#.conv1x1_skip.bias K
    ~last_conv_layers.1 L K 1
    last_conv_layers.1.bias L
    ~last_conv_layers.3 3*N L 1
    last_conv_layers.3.bias 3*N
    ~upsample_net.conv_in M M _
    ~upsample_net.upsample.up_layers.1 1 1 1 _
    ?~upsample_net.upsample.up_layers.3 1 1 1 _
    ?~upsample_net.upsample.up_layers.5 1 1 1 _
    ?~upsample_net.upsample.up_layers.7 1 1 1 _
";
